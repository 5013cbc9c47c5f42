"""What a column says about people, told by its label and its cells, in about fifteen languages.

Two things are looked for in every file, because a mistake in either harms somebody: a column that may say who must not
be written to (then a person says what it means before anything comes in), and one about donations (then it stays out).
Labels are compared by `spaced`: small letters without accents, words parted by one blank.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from functools import cache, lru_cache

from samizdat.core.imports import COMPLAINED, EMPTY, OTHERS, UNSAID
from samizdat.importers.reading import labels, opt_out_words, times

CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
# Vowel signs of Hindi are no letters to `re`, and belong to the word all the same.
BREAKS = re.compile(r"(?:[^\w\u0900-\u0963\u0966-\u097f]|_)+")
# Accents and vowel marks, and what cannot be seen: soft hyphens, joiners, marks of direction, variants of signs.
ACCENTS = re.compile(
    "[\u0300-\u036f\u00ad\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
UNSEEN = re.compile("[\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]")
NEGATIVE = re.compile(r"[-−–]\s*(\d+)")
JSON_KEY = re.compile(r'"([^"\\]{1,60})"\s*:')
NUMBER = re.compile(r"\d+(?:[.,]0+)?")
LONGEST_TEXT = 2_000  # characters of a note that are looked through
LONGEST_WORD = 60  # characters; longer cells are texts, not words of a status
ANSWERS = 4  # different words of a column of yes and no: `yes`, `Y`, `no`, `-`
SIGNS_LONG = 3  # a tick, with what colors it
FEW = 40  # different words of a column that a person can be asked about one by one


@lru_cache(1024)
def spaced(text: str) -> str:
    """A label or a word to compare by: HasOptedOut_c and "Has opted-out, C" are both `has opted out c`."""
    return BREAKS.sub(" ", _bare(CAMEL.sub(" ", text))).strip()


def _bare(text: str) -> str:
    """Small letters without accents."""
    return text.lower() if text.isascii() else ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))


def word_of(cell: str) -> str:
    """A cell as a word of a status column; a tick mark has no letters and is a word all the same."""
    if below := NEGATIVE.fullmatch(cell.strip()):
        return f"-{below[1]}"  # -1 is not the yes that 1 is
    return labels.plain(cell) or UNSEEN.sub("", cell).strip()


class Pattern:
    """A pattern that is compiled when it is first needed: all of them take a quarter of a second, and a process that
    brings rows in needs none."""

    search: Callable[[str], re.Match[str] | None]
    match: Callable[[str], re.Match[str] | None]
    fullmatch: Callable[[str], re.Match[str] | None]

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> object:
        if name not in {"search", "match", "fullmatch"}:
            raise AttributeError(name)
        compiled = re.compile(self._make())
        self.search, self.match, self.fullmatch = compiled.search, compiled.match, compiled.fullmatch
        return getattr(compiled, name)


def _any_of(*stems: str, anywhere: str = "") -> Pattern:
    """`anywhere`: stems of languages that put something before a word, or write without blanks."""
    return Pattern(lambda: _alternatives(*stems, anywhere=anywhere))


def _alternatives(*stems: str, anywhere: str = "") -> str:
    begun = rf"\b(?:{'|'.join(' '.join(stems).split())})"
    return "|".join([begun, *map(_bare, anywhere.split())]).replace("~", " ")


def _of_languages(*kinds: str, inside: bool = False) -> str:
    """Stems of opt_out_words, to stand beside those that are written here."""
    return _bare(" ".join(stem for kind in kinds for stem in opt_out_words.stems(kind, inside=inside)))


# Of the languages in which readers are written to (core/content/phrases) and some more, as `anywhere` of _any_of.
FAR_GONE = (
    "退订 退訂 取消 黑名单 黑名單 拒收 拒绝 停止 解除 退会 수신거부 취소 해지 탈퇴 "
    "إلغاء ألغى ألغت رفض محظور حظر لغو انصراف حذف~شد مسدود "
    "הוסר הסרה ביטל ביטול חסום חסומ გაუქმ ამოშლ დაბლოკ უარი չեղարկ հրաժար արգելափակ հեռաց "
    "шықты шыққан бас~тарт тоқтат бұғат язылудан"
    "çıktı çıkan çıxdı çıxıb çıxmış imtina ləğv bekor~qil chiqib rad~etdi rad~etil rad~etgan"
)
FAR_AGREED = (
    "订阅 訂閱 購読 구독 اشتراك مشترك اشتراک مشترک عضویت מנוי გამოწერ ხელმომწერ բաժանորդ жазыл abunə obuna язылу "
    "падпіс 配信 메일링 רשימת~תפוצה دریافت सदस्यता feliratkoz abonat"
)
FAR_STATUS = (
    "状态 狀態 ステータス 状態 상태 حالة وضعیت סטטוס מצב სტატუს կարգավիճակ күйі халəт vəziyyət holat स्थिति állapot"
)


# "~" is a blank. A stem ends in \b where longer words mean something else.
GONE = _any_of(
    r"unsub opt(?:ed|ing)?~?outs?\b hasoptedout optoutof do~not\b dont~ don~t~ donot "
    r"no~(?:e~?mail|mail|bulk|contact|news) "
    r"never~(?:e~?mail|mail|contact|send|write) black~?list block~?list blocked\b block\b blocking suppress "
    r"(?:on~)?hold\b banned\b ban\b exclu(?:ded|sion) removed\b removal\b deleted\b deletion\b disabled\b inactive\b "
    r"cancell?ed\b cancellation left~(?:at|on|date|list)\b declined\b refused?\b refusal revoked?\b "
    r"revocation withdr[ae]w "
    r"objection objected rejected\b deceased\b died\b stop~?list stopped\b stop\b must~not should~not "
    r"not~allowed denied\b "
    r"forbidden nomail\b dnc\b dne\b dnm\b death\b todes deces\b смерт",
    r"abgemeldet abmeld abbestell ausgetragen austragung austritt gesperrt sperr widerruf widersp widersproch "
    r"gekundigt "
    r"kundigung geloscht ausgeschlossen blockiert verstorben "
    r"kein(?:e|en)?~(?:mail|e~mail|email|news|werbung|kontakt|post) "
    r"nicht~(?:anschreib|mail|kontakt|send|versend|anmail|erwunscht|gewunscht|mehr|schreib) inaktiv abgelehnt",
    r"desinscri desabonn ne~(?:pas|plus)\b n~accepte~pas oppos refus bloque exclu(?:s|e|es|sion)?\b radie "
    r"radiation decede "
    r"liste~(?:noire|rouge) inactif desactiv retire resili",
    r"baja\b bajas\b desuscri desapunt cancelad no~(?:enviar|contactar|molestar|desea|escribir|quiere|mandar) "
    r"bloquead "
    r"excluid rechaz fallecid eliminad lista~negra inactiv revocad",
    r"disiscri disdett non~(?:inviare|contattare|scrivere|desidera|vuole) cancellat bloccat rifiut decedut "
    r"revocat annullat "
    r"descadastr nao~(?:enviar|contactar|contatar|quer|deseja) recus falecid removid descinscri descontinu",
    r"отпис не~(?:отправ|рассыл|пис|слат|присыл|беспоко|звон|контакт|хоч|жела|надо|нужн|получ) отказ отозва "
    r"отзыв~согл "
    r"заблок блокир блок\b блок-лист черн\w*~спис удален удалил исключ стоп\b стоп~?лист стоп~спис умер "
    r"скончал неактив "
    r"запрет запрещ аннулир отключ",
    r"відпис не~(?:надсил|відправ|турб|бажа|хоч|треба|потр|розсил|отрим) відмов відклик чорн\w*~спис видален "
    r"виключ помер "
    r"заборон",
    r"wypis rezygn zrezygn nie~(?:wysył|wysyl|kontakt|pisa|pisz|chce|dzwon|zycz|zgadz) odmow zablok blokad "
    r"czarn\w*~list "
    r"usunie wycof sprzeciw zmarl zmarł nieaktywn cofni anulow",
    r"atrakst atteic atteik nesut nerakst neveleja bloket dzest atsauk izrakst miris neaktiv atsacij atcel "
    r"atsisak nesiust "
    r"nerasyt uzblok isregistr neaktyv pasalint mires",
    r"uitgeschr uitschr afgemeld afmeld niet~(?:mail|versturen|contact|sturen|meer) geblok overleden odhlas neposil "
    r"odvolan avregistr avslut avmeld avprenum frameld peruut estetty poistet loobu tuhist surnud iptal "
    r"engelle gonderme "
    r"leirat ne~kuld dezabon",
    r"\w*sperr(?:e|en|t|vermerk)?\b ausgetret werbeverbot quarantin until\b end~date\b enddate ended\b "
    r"διαγραμμεν διαγραφ απεγγ καταργ (?:μην?|δεν)~(?:στελν|στειλ|αποστ|επικοιν|θελ|επιθυμ|ενοχλ) οχι~(?:e~?mail|mail) "
    r"αποκλεισ μπλοκαρ ανενεργ απενεργ ακυρω ανακλη απεβιωσ αποβιωσ αρνη[θσ] αποχωρ",
    r"одјав исписан исписао исписал не~(?:шаљ|жел|контактир) није~(?:претпла|пријав) обрисан уклоњен одбије опозва "
    r"преминуо преминула",
    r"odjav ispisan ispisao ispisal ne~(?:salj|slat|zel|kontaktir|pisat|pisit) nije~(?:pretpla|prijav) neaktivan "
    r"neaktivn obrisan "
    r"izbrisan uklonjen odbijen odbio opozva otkaza blokiran preminu umro\b umrla\b",
    r"former~(?:member|subscriber) ex~member dnc\b dne\b nomail\b",
    _of_languages("text", "word"),
    anywhere=f"{FAR_GONE} {_of_languages('text', 'word', inside=True)}",
)
BOUNCED = _any_of(
    r"inbox~full over~quota mail~returned returned~mail does(?:~not|n~?t)~exist address~(?:dead|wrong|invalid) "
    r"wrong~(?:address|e~?mail) postfach~voll boite~pleine buzon~lleno casella~piena ящик~(?:переполн|полон) "
    r"переполнен "
    r"возвраща адрес~не~работ",
    r"bounc undeliver unreach invalid not~deliver non~?exist no~such~user unknown~user user~unknown cleaned\b dead\b "
    r"mailbox~full rucklaufer ruckläufer unzustellbar nicht~zustellbar rebot(?!e~d) devuelt rimbalz "
    r"non~recapit npai\b "
    r"adresse~invalide недостав недоступ не~доставл возврат~пис несуществ неверн\w*~адрес невалид невручен "
    r"недосяж не~існу "
    r"odbi[tc] odbił niedorecz niedostar nieistniej nepiegad nederig nepristat nedoruc onbestelbaar studs "
    r"ανεπιδοτ ακυρ\w*~(?:διευθ|email) αγνωστ\w*~(?:παραλ|χρηστ) неиспоруч neisporuc nevazec неважећ "
    r"is~bad\b bad~(?:e~?mail|address)",
    _of_languages("bounced"),
    anywhere=_of_languages("bounced", inside=True),
)
COMPLAINTS = _any_of(
    r"complain spam abuse\b abusive junk\b beschwerd plainte\w*~(?:pour|spam) plainte\b signale queja\b "
    r"quejas\b reclam "
    r"segnalat жалоб спам скарг skarg sudzib skund klacht stiznost feedback~loop fbl\b"
)
WAITING = _any_of(
    r"pending unconfirm not~(?:yet~)?confirm invited\b await waiting unverif not~verif validating ausstehend "
    r"unbestatigt "
    r"nicht~bestatigt wartet en~attente non~confirm pendient sin~confirm in~attesa non~conferm pendente "
    r"nao~confirm не~подтвер неподтвер ожида приглаш не~підтвер непідтвер очіку запрош oczek niepotw nie~potw gaida "
    r"εκκρεμ αναμον (?:μη|δεν)~επιβεβ на~чекањ na~cekanj непотврђ nepotvrđ nije~potvr није~потвр "
    r"neapstipr laukia nepatvirt wacht\b onbevestigd"
)
NEVER = _any_of(
    r"never\b not~set non~ not~ no~ none\b nonsub transactional prospect nie~ niemals kein jamais pas~ aucun nunca "
    r"ningun mai\b nessun никогда не~ нет~ ніколи немає nigdy brak\b nekad niekad nooit geen\b nikdy sin~ "
    r"без~ bez~ ohne~ ποτε\b μη~ μην~ δεν~ χωρις~ никад\b није~ nikad nije~"
)
YES_WORDS = labels.STATUS_WORDS["subscribed"] | labels.table(
    "member,express,explicit,approved,verified,regular,registered,receives,angemeldet,bestätigt,"
    "eingetragen,inscrit,inscrite,abonnee,abonnée,confirmé,confirmée,suscrito,suscrita,alta,activa,"
    "confirmado,iscritto,"
    "iscritta,attivo,confermato,inscrito,inscrita,ativo,подписана,подписана на рассылку,подписчик,"
    "подтвержден,активна,"
    "согласен,согласна,підписаний,підписана,активний,активна,підтверджено,згоден,згодна,zapisany,zapisana,aktywny,"
    "aktywna,potwierdzony,subskrybuje,abonēts,aktīvs,piekrīt,apstiprināts,prenumeruoja,aktyvus,ingeschreven,"
    "aangemeld,"
    "εγγεγραμμένος,εγγεγραμμένη,εγγεγραμμένοι,συνδρομητής,συνδρομήτρια,ενεργός,ενεργή,επιβεβαιωμένος,επιβεβαιωμένη,"
    "претплаћен,претплаћена,пријављен,пријављена,претплатник,активан,потврђен,потврђена,"
    "pretplaćen,pretplaćena,prijavljen,prijavljena,pretplatnik,aktivan,aktivna,potvrđen,potvrđena,"
    "actief,přihlášen,aktivní"
)
# That mail arrives is no yes of theirs.
WORKS = labels.table("ok,available,deliverable,reachable,доступен,доступна,zustellbar")
# Our own words (and Mailchimp's): in a column that is simply called status they mean what they mean here.
OWN_WORDS = frozenset({"subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending", "transactional"})
YES = (
    labels.YES
    | labels.table(
        "हाँ,हां,hə,bəli,иә,ha,әйе,დიახ,კი,այո,بله,نعم,כן,是,はい,예,так,tak,jā,taip,da,sim,evet,igen,kyllä,ano,áno,ναι,ναί"
    )
    | {"✓", "✔", "☑", "✅", "+", "x", "х"}
)
NO = labels.NO | labels.table(
    "नहीं,nu,yox,xeyr,жоқ,yo‘q,юк,არა,ոչ,خیر,نه,لا,לא,否,不,いいえ,아니오,nok,ні,nē,não,nej,ei,nein,hayır,nem,όχι,aus,na,n/a,nan,leer"
) | {
    "✗", "✘", "❌", "🚫", "×", "☒", "-", "–", "—", "☐", "--", ".", "n'a", "\\n", "nie", "не", "not",
}  # fmt: skip

# Labels about agreeing: what is under them is asked whatever it is, or only where it answers yes and no.
CONSENT = _any_of(
    r"consent permission gdpr dsgvo rgpd rodo\b opt(?:ed)?~?in\b einwillig zustimm zugestimmt erlaubnis "
    r"autoris consens "
    r"acconsent permiso consinti соглас разреш згод дозвіл дозвол zgod piekris atlauj sutik leidim toestemm souhlas "
    r"συγκαταθ συγκατατ συναιν αδεια\b сагласн пристан saglas suglas pristan privola "
    r"samtyck suostum noustu nousolek riza\b izin onay marketing~(?:contact|status|email)",
    _of_languages("consent"),
    anywhere=_of_languages("consent", inside=True),
)
AGREED = _any_of(
    r"subscri(?!ber) newsletter mailing~?list mailings?\b agree confirmed\b verified\b receive wants?\b "
    r"active\b aktiv\b "
    r"angemeldet anmeld abonn inscri suscri acept accett iscri подпис рассылк активн подтвер підпис розсилк "
    r"підтвер zapis "
    r"subskryb aktywn jaunum pieteik abone prenumer aangemeld ingeschr nieuwsbrief odber bulten nyhetsbrev uutiskirje "
    r"accept enabled\b allow(?:s|ed)?\b contactable (?:may|can|ok~to|okay~to)~(?:we~)?(?:be~)?"
    r"(?:e~?mail|mail|contact|send|write) "
    r"verteiler rundbrief rundmail infobrief infolettre lettre~d bulletin boletin bollettino boletim бюллетен "
    r"дайджест "
    r"вестник бюлетен вісник biuletyn vestkopa naujienlaisk uudiskir hirlevel darf\b kontaktiert "
    r"εγγραφ εγγεγραμμ συνδρομ ενημερωτικ λαμβαν претпла пријављ pretpla prijavlj билтен bilten "
    r"можно~(?:писать|слать) "
    r"можна~(?:писати|надсилати) получа\w* хочет включен увімкнен peut",
    anywhere=FAR_AGREED,
)
STATUS = _any_of(
    r"κατασταση stanje\b стање\b status статус состояни statut\b statuss\b busena\b olek\b tila\b durum\b стан\b "
    r"availab доступност bulk\b standing\b",
    anywhere=FAR_STATUS,
)
# Words that are a place as often as a status: only what stands under them tells.
MAYBE_STATUS = _any_of(
    r"frequen haufigkeit frecuencia частот czestotl "
    r"state\b estado\b stato\b stan\b staat\b stav\b etat\b zustand\b preference wunsch"
)
# About telephone and the like, or about being watched: no word about e-mail.
ELSEWHERE = _any_of(
    r"sms phone calls?\b whatsapp fax\b trade\b push\b telegram viber postal letters?\b telefon téléphone "
    r"telephone anruf "
    r"звон телефон смс дзвін tel\b mobile track cookie posting~ chat\b"
)
WATCHED = _any_of(r"track cookie")
POSTING = _any_of(r"posting~")
EMAIL = _any_of(r"e~?mails? mail(?!ing~address) newsletter bulk contact рассыл розсил почт пошт correo courriel")
NOTES = _any_of(
    r"notes?\b remark comment bemerk notiz kommentar anmerk hinweis remarqu commentair observac nota[s]?\b comentari "
    r"osservazion extra\b misc\b other\b description memo\b заметк примечан комментар коммент примітк комент нотатк "
    r"uwagi notatk komentar piezim pastab opmerk poznamk σημειω напомен napomen"
)
# Of a life, not of letters.
ABOUT_ELSE = _any_of(
    r"marital civil~status family~status relationship employment~status job occupation volunt student visa~status "
    r"residen familienstand ehrenamt freiwillig beruf etat~civil situation~familiale benevol estado~civil stato~civile "
    r"семеин волонт доброволь участник занятост сімеин волонт учасник stan~cywiln wolontari"
)
BUILDINGS = re.compile(
    r"\b(?:office|tower|apartment|apt|flat|building|house|housing|city|street) blocks?\b|"
    r"\bblock (?:no|number|of flats|letter|of offices)\b"
)
NOT_BEFORE = re.compile(
    r"\b(?:not|no|non|nicht|kein|keine|pas|не|ні|nie|bez|nav|ne|sin|без|μη|μην|δεν|οχι|није|nije|is not) $"
)
COUNTED = re.compile(
    r"\b(?:count|counts|counter|number|times|total|score|anzahl|zahl|nombre|numero|количество|кол|число|кількість|"
    r"liczba|skaits|skaicius|aantal)\b"
)

DONATIONS = _any_of(
    r"donat donor gifts?\b gift~ pledg contribut amount paid\b payment payer paypal stripe customer totals?\b "
    r"spent\b revenue "
    r"lifetime~(?:value|giv) ltv\b purchas invoice transaction~(?:id|amount|date|total|status) currency "
    r"recurring refund "
    r"fundrais sponsor patreon iban\b bank\b card~(?:brand|last|number|type) billing mrr\b price\b giving\b "
    r"tax~receipt "
    r"orders?~(?:count|total|value|date|amount|id|number) processor\b "
    r"tiers?\b subscription~(?:plan|level|product)",
    r"spend(?:e|en|er|erin|ete|et|en\w*|enbetrag|er\w*)\b betrag summe zahlung gezahlt kunde(?:n|nnummer)?\b "
    r"kunden rechnung "
    r"beitrag forder(?:er|mitglied|beitrag) lastschrift umsatz wahrung zuwend gesamt\b gesamtsumme",
    r"dons?\b donateur montant paiement cotis clients?\b facture versement somme\b devise achats? prelevement "
    r"recu~fiscal",
    r"donaci donant donativ importe\b monto\b pagos? clientes? factur aportac cuota moneda\b compras? gastado",
    r"donaz importo\b pagament fattur versament valuta\b speso\b doac doador valor\b contribuic fatura",
    r"пожертв донат донор сумм платеж платит оплат взнос клиент валют итого\b всего\b покупк потрач благотвор "
    r"спонсор "
    r"поддержал плател",
    r"благод сум[аиу]\b платіж внес[ок]\w* клієнт переказ усього\b разом\b витрач",
    r"darowizn darczync kwot wplat wpłat platnos płatnos klient sum[ay]\b walut faktur skladk składk razem\b przelew",
    r"ziedoj ziedot summa\b maksaj rekin kopa\b auk(?:a|os|oj|ot)\b aukoj mokejim donatie bedrag betaling klant "
    r"factuur castk platb "
    r"zakaznik dary?\b darce bag[iı]s tutar\b odeme musteri",
)
# Who gives or pays, as a label, a tag or a group says it: the same in both, in the languages of opt_out_words and more.
GIVER_STEMS = _bare(
    "donor donate\\b donated\\b donating donation donateur donatric donator "
    "donacion donativ giver\\b givers\\b backer benefactor patron\\b patrons\\b sponsor paid\\b paying payer "
    "premium\\b comp\\b comped\\b complimentary founding~member "
    "spender spendet gönner förder(?:er|in|mitglied) dauerspend zahlend bezahl "
    "mécèn bienfaiteur payant donante donador mecenas patrocinador aportante de~pago\\b "
    "benefattor sostenitor pagante mecenat doador benfeitor "
    "жертвоват донор донат пожертв спонсор меценат благотвор платн плател оплат "
    "жертводав благоді донаці ахвяра данар ахвярав мецэнат "
    "darczyń darowizn płatni płatny wpłac dárc dárk platící přispěv "
    "донатор дародав спонзор darodav darovatelj sponzor дарител "
    "ziedotāj ziedoj maksāj aukotoj rėmėj annetaj toetaj lahjoit gåvo givare bidragsgiv betaland "
    "schenker betalend adományoz támogató plătitor donatar "
    "bağış ödeyen ücretli ianə демеуші қайырымды xayriya homiy δωρητ δωρε χορηγ"
)
FAR_GIVERS = (
    "დონორ შემოწირ შემომწირ სპონსორ նվիրատ դոնոր հովանավոր תורמ תורם תרומ متبرع تبرع مانح مدفوع اهدا کمک~مالی "
    "दान दाता चंदा 捐 付费 付費 赞助 贊助 寄付 寄附 有料 기부 후원 유료"
)
GIVERS = _any_of(GIVER_STEMS, anywhere=FAR_GIVERS)
SEVERAL = re.compile(r"[,;|/\n]")
LONGEST_TAG = 40  # characters, and no more words than "Monthly donor" has, but for a year: other texts are about more
PLANS = _any_of(r"tiers?\b plans?\b subscription")
# Who belongs to an organization, and by which number or card.
MEMBERS = _any_of(
    r"membership member~(?:no|nr|number|id|card|type|since|until|level|tier)\b "
    r"mitglied(?:s|er)?~?(?:nr|nummer|schaft|karte|art|beitrag|typ|seit|id)\w* kartennummer "
    r"adhesion adherent (?:numero|n)~(?:de~)?(?:socio|membre|adherent|tessera) socio\b socia\b tessera\w* членств "
    r"членск "
    r"номер~(?:члена|карты|картки) карточк legitymacj numer~(?:czlonk|karty) lidmaksa biedra~(?:nr|karte) lidmaatschap "
    r"lidnummer medlems(?:nummer|kap|kort)"
)
GIVEN = labels.table(
    "lifetime,monthly,yearly,annually,karte,card,monatlich,jährlich,carte,mensuel,mensuelle,annuel,mensual,tarjeta,"
    "plan,plans,план,tarif,тариф,mensile,mensal,карта,ежемесячно,ежемесячный,картка,щомісячно,щомісячний,karta,miesięcznie,maandelijks"
)
# A label about letters is not about money, whatever else it holds.
NOT_MONEY = re.compile(r"\b(?:e ?mail client|unsub\w*|opt(?:ed)? ?out|e ?mails? (?:count|total|sent)|newsletter\w*)\b")
SIGN = (
    r"(?:[€$£¥₽₴₾֏₸]|usd|eur|euros?|gbp|rub|uah|pln|chf|czk|sek|nok|dkk|gel|amd|byn|kzt|try|zł|kč|kr|руб(?:лей)?|р|грн)"
)
AMOUNT = r"\d[\d\s.,'\u00a0\u202f]*"
MONEY_CELL = re.compile(rf"[-+]?\s*(?:{SIGN}\.?\s*{AMOUNT}|{AMOUNT}{SIGN}\.?)", re.IGNORECASE)
CENTS_CELL = re.compile(r"[-+]?\d{1,3}(?:[ ,.'\u00a0]?\d{3})*[.,]\d{2}")
OF_A_PROCESSOR = re.compile(r"(?:cus|ch|pi|py|txn|sub|pm|card|src|price)_[A-Za-z0-9]{6,}|I-[A-Z0-9]{10,}")
PROCESSORS = labels.table(
    "stripe,paypal,patreon,boosty,donorbox,liqpay,fondy,wayforpay,monobank,yookassa,юkassa,юмани,юmoney,"
    "cloudpayments,"
    "robokassa,qiwi,square,braintree,adyen,mollie,gocardless,sepa,twint,payu,przelewy24,blik,buymeacoffee,"
    "ko-fi,opencollective,"
    "benevity,actblue,classy,givebutter,visa,mastercard,credit card,кредитная карта,kreditkarte,lastschrift,"
    "apple pay,google pay"
)


# -- one cell -----------------------------------------------------------------------------------------------------


@lru_cache(1024)
def meaning_of(cell: str) -> str:
    """The status that a cell names by its own words, "" when it names none."""
    word = labels.plain(cell)
    if known := labels.WORD_STATUS.get(word):
        return known
    if word in YES_WORDS:
        return "subscribed"
    if word in NEVERS:
        return "unsubscribed"
    text = spaced(cell)
    if not text or len(text) > LONGEST_WORD or word in YES or word in NO:
        return ""
    if COMPLAINTS.search(text):
        return COMPLAINED
    if BOUNCED.search(text):
        return "cleaned"
    if GONE.search(text):
        return "unsubscribed"
    if WAITING.search(text):
        return "pending"
    return "nonsubscribed" if NEVER.match(text) and len(text.split()) > 1 else ""


def holds_leaving_phrase(cell: str) -> bool:
    """The same of a column of places, where "Block", "Left" and "Gone" are streets."""
    return _says_so(_bare(cell[:LONGEST_TEXT]))


def _says_so(text: str) -> bool:
    text = text.replace("_", " ")
    return STRONG.search(text) is not None or (not text.isascii() and STRONG_FAR.search(text) is not None)


def name_says_gone(cell: str) -> bool:
    """The same of a name of somebody: "Ann (unsubscribed)" does, and no surname."""
    return STRONG_NAMES.search(_bare(cell[:LONGEST_TEXT]).replace("_", " ")) is not None


def is_note(label: str, cells: Iterable[str]) -> bool:
    """Whether a column holds what people wrote about others: by its label, or because some of its cells are phrases."""
    if NOTES.search(spaced(label)):
        return True
    held = [cell for cell in cells if cell and not holds_leaving_word(cell)]
    return any(len(spaced(cell).split()) > 1 for cell in held) and not any(map(meaning_of, held))


def about_what(label: str) -> str:
    """Of a label that is no word about e-mail: a code of OUT_BECAUSE."""
    text = spaced(label)
    return "watched" if WATCHED.search(text) else "posting" if POSTING.search(text) else "elsewhere"


def leaving_of_donors(label: str) -> Callable[[str], bool]:
    """What tells of a cell under a label about donors that somebody left: a gift may be "cancelled", a member or a
    subscription is not."""
    text = spaced(label)
    of_people = MEMBERS.search(text) or PLANS.search(text) or (GIVERS.search(text) and not DONATIONS.search(text))
    return holds_leaving_word if of_people else holds_leaving_phrase


def is_about_else(label: str) -> bool:
    """Whether a label speaks of a life and not of letters: marital status, volunteers."""
    return ABOUT_ELSE.search(spaced(label)) is not None


def may_be_telling(cells: Collection[str]) -> list[str]:
    """Of many cells, which have no line breaks as a rule, all of which `holds_leaving_word` or `says_who_gives` may be
    true: half a microsecond each, where those take five; and a million rows have columns of a million names.
    """
    text = _bare("\n".join(cells))
    if text.isascii() and text == text.upper():
        return []  # Without letters, as numbers and days are.
    lines = text.split("\n")
    if len(lines) != len(cells):
        lines = [_bare(cell) for cell in cells]
    ascii_roots, roots = _all_roots()
    roots = [root for root in (ascii_roots if text.isascii() else roots) if root in text]
    alone = LEAVING.intersection(map(str.strip, text.translate(SIGNS).split("\n")))
    if not roots and not alone:
        return []
    return [
        cell
        for cell, line in zip(cells, lines, strict=True)
        if any(root in line for root in roots) or _wordlike(line) in alone
    ]


def holds_leaving_word(cell: str) -> bool:
    """Whether a cell of any column may say that somebody left. Cells of free text are looked through as well."""
    text = _bare(cell[:LONGEST_TEXT])
    if _wordlike(text) in LEAVING or _says_so(text):
        return True
    return len(cell) <= LONGEST_WORD and ALONE.fullmatch(spaced(cell)) is not None


def sounds_gone(text: str) -> bool:
    """Whether a few words outside of any column say that somebody left: "Unsubscribed:", "Bo (do not mail)".

    What may be a surname (Block, Hold) counts as a heading alone: one word, in capitals, or before a colon.
    """
    words = text.strip(" :.-–—*#=()[]")
    heads = text.rstrip().endswith(":") or words.isupper() or len(words.split()) == 1
    return holds_leaving_word(text) or (heads and meaning_of(words) in {"unsubscribed", "cleaned", COMPLAINED})


def _wordlike(text: str) -> str:
    return text.strip().translate(SIGNS)


# Words that nobody writes about anything else. What may be a street or a surname counts alone in its cell only.
STRONG_STEMS = (
    r"unsub opted~out opt~out\b optout do~not~(?:e~?mail|mail|contact|send|write|bulk) "
    r"dont~(?:e~?mail|mail|contact|send) "
    r"no~(?:e~?mails?|mails?|newsletter)\b never~(?:e~?mail|mail|contact|write) black~?listed bounced\b bouncing\b "
    r"spam~complaint undeliverable",
    r"abgemeldet abbestellt ausgetragen abmeldung keine~(?:mails?|e~mails?|emails?|newsletter|werbung)\b "
    r"nicht~(?:anschreiben|mailen|kontaktieren|mehr~schreiben) werbesperre unzustellbar",
    r"desinscri desabonn ne~pas~(?:contacter|envoyer|ecrire|solliciter) "
    r"ne~plus~(?:contacter|envoyer|ecrire|recevoir) "
    r"dado~de~baja dada~de~baja desuscri no~(?:enviar|contactar|escribir|molestar)\b disiscri disdett "
    r"non~(?:inviare|contattare|scrivere)\b descadastr nao~(?:enviar|contactar|contatar)\b",
    r"отписа отписк не~(?:отправля|рассыла|писат|слат|присыла|беспоко|хочет|желает|получа) заблокир недоставл",
    r"відписа відписк не~(?:надсила|відправля|писати|турбува|бажає|хоче|отриму) заблоков",
    r"wypisan wypisal wypisał "
    r"nie~(?:wysyłać|wysylac|wysyłac|wysylać|kontaktować|kontaktowac|pisać|pisac|chce) rezygnac "
    r"zrezygnow",
    r"atrakst atteic atteik nesut\w* nerakst\w* atsisak\w* nesiust\w* uitgeschreven afgemeld odhlas\w* neposil\w* "
    r"avregistrer avmeld peruut\w* loobu\w*",
    r"απεγγρα\w* διαγραμμεν\w* διαγραφηκ\w* μην?~στελν μην?~στειλ μην?~επικοινων οχι~(?:email|mail)",
    r"одјави\w* одјавље\w* не~шаљ\w* не~слат\w* odjavi\w* odjavlj\w* ne~salj\w* ne~slat\w*",
    # As people write it into notes, in no service's words.
    r"take~me~off take~him~off take~her~off take~them~off take~us~off taken~off wants~(?:off|out)\b wants?~no\b "
    r"not~want\b doesnt~want doesn~t~want dont~want "
    r"don~t~want didnt~want didn~t~want asked~to~be~(?:removed|taken|deleted|unsub) "
    r"asked~(?:off|not~to|us~not|us~to~stop) "
    r"remov(?:e|ed|al)~(?:from|me|him|her|them|please) please~(?:remove|delete|stop) "
    r"no~longer~(?:interest|want|wish|read|work|subscri|valid|exist|active|member|receiv|here|there|reach|at) "
    r"not~interested no~interest~in complain died\b dies\b deceased passed~away is~dead\b was~killed bounces\b "
    r"bounce\b mailbox~(?:full|is~full|closed|unavail|not) "
    r"full~mailbox inbox~full over~quota no~more~(?:mail|email|e~mail|news|letter|post) "
    r"stop~(?:mail|email|e~mail|sending|writing|contact) stopped~(?:mail|reading|subscri) does~not~exist doesnt~exist "
    r"doesn~t~exist address~(?:dead|invalid|wrong|not|no~longer|gone|does) wrong~(?:address|email|e~mail) "
    r"invalid~(?:address|email|e~mail|mail) "
    r"mail~returned returned~mail withdrew withdrawn revoked left~(?:the~list|our~list|the~newsletter|us\b) "
    r"gdpr~erasure "
    r"cancelled~(?:subscri|newsletter|his|her|their) canceled~(?:subscri|newsletter|his|her|their) blocked~us "
    r"blocks~us hard~bounce soft~bounce",
    r"nichts?~mehr\b keine?n?~(?:mehr|interesse) kein~interesse mochte~(?:nicht|nichts|keine) "
    r"will~(?:nicht|nichts|keine) "
    r"wunscht~(?:nicht|nichts|keine) "
    r"verstorben gestorben gekundigt kundigung bitte~(?:entfernen|loschen|streichen|austragen) von~der~liste "
    r"aus~(?:dem~verteiler|verteiler|der~liste) "
    r"postfach~(?:voll|ist~voll|existiert) unbekannt~verzogen adresse~(?:ungultig|falsch|existiert|tot|nicht) "
    r"beschwer(?:t|de) widerruf widersproch abmelden abbestell",
    r"ne~(?:veut|souhaite|desire|voulait) veut~plus souhaite~plus a~retirer retirer~de plaint~de "
    r"supprimer~de "
    r"decede plus~interesse boite~pleine adresse~(?:invalide|morte|erronee|inexistante)",
    r"ya~no~(?:quiere|desea|esta|interesa|recib) no~(?:quiere|desea|le~interesa|quiso)\b quitar~de eliminar~de "
    r"borrar~de "
    r"de~baja fallecid fallecio\b murio\b buzon~lleno rebotad direccion~(?:no|invalida|incorrecta) "
    r"non~(?:vuole|desidera)\b rimuovere cancellare~(?:da|dalla) deceduto deceduta casella~piena nao~(?:quer|deseja)\b "
    r"remover~da faleceu",
    r"не~(?:интересу|работает|доставля|доход|существу|надо~писать|нужн|читает|актуал|подписыв) недейств\w* возвраща "
    r"больше~не убрать убери уберите удалить~из удалите удалить~по исключить вычеркн умер\b умерла\b скончал погиб "
    r"ящик~(?:переполн|полон|закрыт) переполнен жалова жалоб попросил\w*~(?:убрать|удалить|не) отказал отказыва "
    r"неверн\w*~адрес адрес~(?:не|недейств|неверн) уволил\w* из~рассылк с~рассылк отозва",
    r"не~(?:працю|існу|цікав|доход|потрібн|треба|читає|актуальн) поверта\w* більше~не прибрати прибер видалити~з "
    r"видаліть "
    r"помер\b померла\b загинув загинула скарж скарг переповнен відмови з~розсилк адреса~(?:не|недіисн)",
    r"nie~(?:zyczy|dziala|interesuj|istnieje|zainteresow) juz~nie usunac~z usunieci skarzy zmarl zmarł przepelnion "
    r"przepełnion cofnal cofnął vairs~(?:ne|negrib) nevelas neveleja negrib\w* miris\b mirusi\b nebenori\w* nenori\w* "
    r"mire\b wil~(?:geen|niet) overleden verwijder\w* vill~inte nechce\w* zemrel\w* nie~je~zaujem",
)


def _in_text(stems: Iterable[str], anywhere: str = "") -> Pattern:
    """_any_of for texts as they are written: whatever is no letter may stand between two words."""

    def make() -> str:
        alternatives = _alternatives(*stems, anywhere=anywhere)
        return alternatives.replace(" ?", r"\W*").replace(" ", r"\W+")

    return Pattern(make)


_STRONG = " ".join([*STRONG_STEMS, _of_languages("text")]).split()
# Most texts are ASCII, and half of the stems are not.
STRONG = _in_text([stem for stem in _STRONG if stem.partition("(?:")[0].isascii()])
STRONG_FAR = _in_text(
    [stem for stem in _STRONG if not stem.isascii()], anywhere=f"{FAR_GONE} {_of_languages('text', inside=True)}"
)
# What is no name of anybody: phrases, and words that are made for it. "Murio", "Skarga" and "Bounce" are surnames.
STRONG_NAMES = _in_text(
    [
        *(stem for stem in " ".join(STRONG_STEMS).split() if "~" in stem and stem != "de~baja"),
        "unsub optout abgemeldet abbestellt desinscri desabonn desuscri disiscri descadastr отписа отписк відписа "
        "відписк wypisan uitgeschreven afgemeld odhlas avregistrer avmeld одјави одјавље odjavi odjavlj απεγγρα",
        _of_languages("text"),
    ],
    anywhere=_of_languages("text", inside=True),
)


def _alone() -> str:
    begun, inside = (
        "|".join(_of_languages("word", "bounced", inside=inside).split()).replace("~", " ") for inside in (False, True)
    )
    return rf"(?:{begun})\S*(?: \S+)?|(?:\S+ )?\S*(?:{inside})\S*(?: \S+)?"


# Of any column, where it is all that a cell holds, but for a word beside it ("iptal edildi").
ALONE = Pattern(_alone)


def _roots(stem: str) -> set[str]:
    """Runs of letters of which one is in whatever the stem finds: its longest, or one of each of its endings."""
    before, _, endings = re.sub(r"\\\w", " ", stem).rstrip(")* ").partition("(?:")
    longest = max(re.findall(r"[^\W\d_]+", before), key=len)
    ends = {max(re.findall(r"[^\W\d_]+", ending.replace("s?", "")), key=len) for ending in endings.split("|") if ending}
    return ends if ends and len(longest) <= min(4, *map(len, ends)) else {longest}


@cache
def _all_roots() -> tuple[list[str], list[str]]:
    """Those of ASCII, and all."""
    literal = _bare(f"{FAR_GONE} {FAR_GIVERS}").split()
    literal += _of_languages("text", "word", "bounced").split()
    literal += _of_languages("text", "word", "bounced", inside=True).split()
    roots = {max(stem.split("~"), key=len) for stem in literal}
    roots |= set().union(*map(_roots, f"{' '.join(STRONG_STEMS)} {GIVER_STEMS}".split()))
    return list(filter(str.isascii, roots)), list(roots)


NEVERS = labels.table(
    "never,niemals,jamais,nunca,mai più,никогда,ніколи,nigdy,nekad,niekada,nooit,nikdy,ποτέ,никад,nikad"
)
LEAVING = (
    NEVERS
    | frozenset(
        word for word, status in labels.WORD_STATUS.items() if status in {"unsubscribed", "cleaned", COMPLAINED}
    )
    | labels.table(
        "gone,bounces,mailbox full,deceased,died,tot,verstorben,gestorben,ausgetreten,gekündigt,décédé,décédée,"
        "fallecido,fallecida,deceduto,deceduta,"
        "умер,умерла,помер,померла,zmarł,zmarła,miris,mirusi,mirė,former member,former subscriber,"
        "ex-member,do not email"
    )
)
SIGNS = dict.fromkeys(map(ord, " -_./'"))


def is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell.strip()) is not None


# -- one column ---------------------------------------------------------------------------------------------------


class SentenceMatch:
    """What a label makes of the words under it. `kind`: "gone" where a yes is a no to letters, "agreed" where it is a
    yes, "open" where only the words tell. `asked`: whether the label alone is a reason to ask."""

    __slots__ = ("asked", "counts", "elsewhere", "kind", "no", "yes")

    def __init__(self, kind: str, yes: str = "", no: str = "", *, asked: bool = True) -> None:
        self.kind, self.yes, self.no, self.asked = kind, yes, no, asked
        self.elsewhere = self.counts = False


@lru_cache(2048)
def saying_of(label: str) -> SentenceMatch:
    text = BUILDINGS.sub(" ", spaced(label))
    match = _by_label(text)
    match.counts = COUNTED.search(text) is not None
    match.elsewhere = bool(ELSEWHERE.search(text)) and not EMAIL.search(text)
    return match


def _by_label(text: str) -> SentenceMatch:
    for pattern, status in ((COMPLAINTS, COMPLAINED), (BOUNCED, "cleaned"), (GONE, "unsubscribed")):
        if match := pattern.search(text):
            # "not blocked": which of yes and no is the good one is for a person to say.
            twice = NOT_BEFORE.search(text[: match.start()])
            return SentenceMatch("open") if twice else SentenceMatch("gone", status)
    for pattern, asked in ((CONSENT, True), (AGREED, False)):
        if match := pattern.search(text):
            if NOT_BEFORE.search(text[: match.start()]):
                return SentenceMatch("gone", "nonsubscribed")
            if WAITING.search(text):
                return SentenceMatch("gone", "pending")
            no = "pending" if re.search(r"confirm|verif|подтвер|підтвер|apstipr|potwier|bestatig", text) else (
                "nonsubscribed" if asked else "unsubscribed"
            )  # fmt: skip
            return SentenceMatch("agreed", "subscribed", no, asked=asked)
    if WAITING.search(text):
        return SentenceMatch("gone", "pending")
    return SentenceMatch("open", asked=STATUS.search(text) is not None)


def speaks(label: str, words: Iterable[str]) -> str:
    """Why a person must say what a column means: "label", "cells" or "", when it says nothing of who left.

    `words`: the different cells that hold something.
    """
    words = list(words)
    if not words:
        return ""
    match = saying_of(label)
    if match.asked:
        return "label"
    if any(map(holds_leaving_word, words)):
        return "cells"
    text = spaced(label)
    if match.kind == "agreed" and len(words) <= FEW:
        answers = [word for word in words if word_of(word) in YES or word_of(word) in NO or meaning_of(word)]
        return "label" if answers and len(answers) * 2 >= len(words) else ""
    maybe = MAYBE_STATUS.search(text) is not None and len(words) <= FEW
    return "label" if maybe and any(meaning_of(word) or NEVER.fullmatch(spaced(word)) for word in words) else ""


def answers(cells: Iterable[str]) -> bool:
    """Whether cells say nothing but yes and no, in words or in signs: under a label that nobody knows, a no to what?

    A column that says the same of everybody counts where that is a word for no: 1 may as well be the number of a list.
    """
    different = {word_of(cell) for cell in cells}
    words = different - {""}
    if not 0 < len(words) <= ANSWERS or not all(map(_is_answer, words)):
        return False
    return len(different) > 1 or any(word in NO and len(word) > 1 for word in words)


def _is_answer(word: str) -> bool:
    """`word` as of word_of: yes, no, OK, or a sign such as a tick."""
    known = word in YES or word in NO or word in {"ok", "okay"}
    return known or (len(word) <= SIGNS_LONG and not any(sign.isalnum() for sign in word))


def preset(label: str, cell: str) -> str:
    """What a word most likely means under this label; UNSAID where a person has to say it."""
    match, word = saying_of(label), word_of(cell)
    own = meaning_of(cell)
    if not word:
        return "nonsubscribed" if match.kind == "agreed" else ""
    if word in WORKS:
        return ""
    if match.kind == "gone":
        return _under_gone(match, word, cell, own)
    if own:
        return own
    if match.kind == "agreed" and (word in YES or word in NO):
        return match.yes if word in YES else match.no
    return UNSAID


def _under_gone(match: SentenceMatch, word: str, cell: str, own: str) -> str:
    if word in NO or is_zero(cell):
        return ""
    if own:
        return UNSAID if own == "subscribed" else own
    if is_number(cell) and (match.counts or word != "1"):
        return UNSAID  # how many times is too many, a person says
    return match.yes


def presets(label: str, words: Iterable[str], *, many: bool = False) -> dict[str, str]:
    """Word -> meaning for the different cells of a column. `many`: too many of them to be asked one by one."""
    meanings: dict[str, str] = {}
    for cell in words:
        meaning = preset(label, cell)
        if not many or meaning not in {UNSAID, saying_of(label).yes}:
            meanings[word_of(cell)] = meaning
    if many:
        meanings[OTHERS] = others(label)
    if meanings.get(EMPTY) == "" and saying_of(label).kind == "open" and {"subscribed", UNSAID} & {*meanings.values()}:
        meanings[EMPTY] = "nonsubscribed"  # an empty cell among words of yes and no is not a yes
    return meanings


def others(label: str) -> str:
    """What all other texts of a column mean: under "Unsubscribed at" or "Bounce reason" any text is a no."""
    match = saying_of(label)
    return match.yes if match.kind == "gone" and not match.counts else UNSAID


def is_zero(cell: str) -> bool:
    """0, 0.00 and the empty dates of databases (0000-00-00, 01.01.0001)."""
    return "0" in cell and not re.search(r"[1-9]|[^\W\d_]", re.sub(r"\b0?1[./-]0?1[./-]0001", "", cell))


def are_times(cells: Iterable[str]) -> bool:
    held = [cell for cell in cells if not is_zero(cell) and word_of(cell) not in NO]
    return bool(held) and sum(1 for cell in held if times.when(cell)) * 10 >= len(held) * 8


# -- donations ----------------------------------------------------------------------------------------------------


def private_because(label: str, cells: Iterable[str]) -> str:
    """`donations` of a column that says what somebody gave, when, by whom it was carried, or who is a customer;
    `members` of one that says who belongs to an organization; "" of any other. Codes of OUT_BECAUSE."""
    text = f"{spaced(label)} | {spaced(label.lower())}"  # "PayPal" is one word
    is_money = DONATIONS.search(text) is not None or GIVERS.search(text) is not None
    if (is_money or MEMBERS.search(text)) and not NOT_MONEY.search(text):
        return "donations" if is_money else "members"
    return "donations" if labels.plain(label) in GIVEN or _hold_money(cells) else ""


def _hold_money(cells: Iterable[str]) -> bool:
    held = list(cells)
    if not held:
        return False
    if any(DONATIONS.search(spaced(key)) for cell in held if cell[:1] in "{[" for key in JSON_KEY.findall(cell)):
        return True
    if all(map(CENTS_CELL.fullmatch, held)):
        return True
    about = sum(1 for cell in held if _is_money(cell))
    return about * 2 >= len(held)


@lru_cache(1024)
def says_who_gives(cell: str) -> bool:
    """Whether a tag, a group or a value says of everybody who has it that they give or pay: "Monthly donor", "paid"."""
    return any(_says_who_gives(spaced(part)) for part in SEVERAL.split(cell[:LONGEST_TEXT]))


def _says_who_gives(text: str) -> bool:
    if len(text) > LONGEST_TAG or GIVERS.search(text) is None:
        return False
    return sum(not word.isdecimal() for word in text.split()) <= 2


def _is_money(cell: str) -> bool:
    if len(cell) > 40:
        return False
    return bool(MONEY_CELL.fullmatch(cell) or OF_A_PROCESSOR.fullmatch(cell) or labels.plain(cell) in PROCESSORS)
