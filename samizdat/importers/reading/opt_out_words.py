"""Words by which lists say that somebody left, in languages that `speaking` has no stems of its own for. One table.

A stem is the beginning of a word, as it is written; "~" is a blank. In scripts without blanks, and in languages that
put something before a word, it may stand anywhere in one.
"""

from collections.abc import Iterator
from typing import NamedTuple


class OptOut(NamedTuple):
    """What a language has. `text` says it wherever it stands; `word` in a label or a status, and in any other column
    where it is all that a cell holds, for it may be said of something else; `bounced` likewise, of a dead address."""

    word: str = ""
    text: str = ""
    bounced: str = ""
    consent: str = ""  # in labels of columns that tell whether somebody agreed
    inside: bool = False  # whether a stem may stand anywhere in a word


LANGUAGES = {
    "Arabic": OptOut(
        "ملغى ملغي محظور محذوف رفض انسحب متوفى توفي توفيت",
        "إلغاء~الاشتراك ألغى~الاشتراك ألغت~الاشتراك غير~مشترك لا~ترسل عدم~الإرسال عدم~ارسال لا~يريد لا~يرغب",
        "مرتد ارتد غير~صالح عنوان~خاطئ",
        "موافقة موافق",
        inside=True,
    ),
    "Chinese": OptOut(
        "拒收 屏蔽 注销 註銷 已故 去世 黑名单 黑名單 拒绝 拒絕",
        "退订 退訂 取消订阅 取消訂閱 请勿发 請勿寄 请勿寄 不要发 不要寄 勿发邮件 不再订阅 不再訂閱 拒绝接收 拒絕接收",
        "退信 无效 無效 不存在",
        "同意",
        inside=True,
    ),
    "Japanese": OptOut(
        "退会 解除 停止 拒否 死亡 逝去 不要",
        "配信停止 配信解除 購読解除 購読停止 登録解除 受信拒否 配信拒否 送信不可 配信不要 メール不要 送らない "
        "送信しない",
        "不達 宛先不明 届かない 無効",
        "同意 許可",
        inside=True,
    ),
    "Korean": OptOut(
        "탈퇴 차단 해지 취소 사망 거부",
        "수신거부 수신~거부 구독취소 구독~취소 구독해지 구독~해지 발송금지 발송~금지 보내지~마 원하지~않",
        "반송 유효하지~않",
        "동의",
        inside=True,
    ),
    "Turkish": OptOut(
        "iptal engellen silindi silinmiş reddet ayrıl vefat istemiyor gönderme",
        "abonelikten~çık abonelikten~ayrıl aboneliği~iptal aboneliğini~iptal üyelikten~ayrıl üyelikten~çık "
        "listeden~çık "
        "posta~göndermeyin posta~istem mail~istem göndermeyin göndermeyiniz",
        "geri~döndü geçersiz",
    ),
    "Persian": OptOut(
        "مسدود غیرفعال غیر~فعال حذف فوت درگذشت نامشترک",
        "لغو~اشتراک لغو~عضویت انصراف ارسال~نشود ارسال~نکنید عدم~ارسال نفرست نمی~خواه نمیخواه",
        "برگشت~خورد نامعتبر",
        "رضایت اجازه",
        inside=True,
    ),
    "Portuguese": OptOut(
        "cancelad cancelou cancelamento removid bloquead desativad recusad recusou falecid faleceu revogad "
        "revogou inativ",
        "descadastr desinscri desinscreveu cancelou~a~inscrição inscrição~cancelada não~enviar não~envie não~quer "
        "não~deseja saiu~da~lista opôs~se",
        "devolvid inválid",
    ),
    "Italian": OptOut(
        "cancellat cancellazione bloccat revocat rimoss disattivat rifiutat annullat decedut inattiv",
        "disiscri disdett non~inviare non~desidera non~vuole consenso~revocat si~è~cancellat",
        "respint rimbalzat",
    ),
    "Dutch": OptOut(
        "opgezegd geweigerd geblokkeerd verwijderd ingetrokken overleden inactief",
        "uitgeschreven uitschrijf afgemeld afmeld niet~mailen niet~meer geen~mail geen~e~mail geen~nieuwsbrief "
        "toestemming~ingetrokken",
        "onbestelbaar",
    ),
    "Polish": OptOut(
        "zablokowan usunięt anulowan odmówił odmowa sprzeciw zmarł nieaktywn rezygnacja",
        "wypisan wypisał zrezygnował rezygnacj wycofał~zgod wycofała~zgod cofnął~zgod nie~wysyłać nie~życzy",
        "niedostarczaln",
    ),
    "Czech": OptOut(
        "zrušen zrušil blokován zablokován odstraněn odmít smazán zemřel neaktivní",
        "odhlás odhláš nechce neposílat nezasílat nepřeje~si odvolal~souhlas odvolala~souhlas",
        "nedoručiteln",
    ),
    "Ukrainian": OptOut(
        "видален вилучен скасован скасував скасувал відмов заблокован помер загинув",
        "відпис відклик~згод відкликав~згод відкликала~згод скасував~підписк скасувала~підписк скасовано~підписк "
        "не~надсила не~турбува",
        "недоставлен",
    ),
    "Belarusian": OptOut(
        "заблакав выдален адмов скасав памёр памерла неактыўн",
        "адпіс адкліка~згод адклікаў~згод адклікала~згод не~дасыла не~турбава не~хоча больш~не",
        "недастаўл не~дастаў",
    ),
    "Georgian": OptOut(
        "გაუქმ დაბლოკ წაშლ ამოშლ შეწყვეტ გარდაცვლ არააქტიურ უარი",
        "გამოწერის~გაუქმ გამოწერა~გააუქმ გამოწერა~გაუქმ უარი~თქვა არ~გაუგზავნ ნუ~გაუგზავნ არ~სურს აღარ~სურს",
        "დაბრუნდა",
        "თანხმობ",
        inside=True,
    ),
    "Armenian": OptOut(
        "չեղարկ արգելափակ ջնջ հեռաց դադարեց մահաց հրաժար",
        "ապաբաժանորդագր չուղարկ մի~ուղարկ չի~ցանկան չի~ուզում",
        "վերադարձվ",
        "համաձայն",
        inside=True,
    ),
    "Kazakh": OptOut(
        "бұғат жойыл тоқтат өшіріл бас~тарт алып~таста",
        "жазылымнан жазылудан~бас жіберме жіберілмесін қаламайды қажет~емес қайтыс~бол",
        "жеткізілме",
        "келісім",
    ),
    "Azerbaijani": OptOut(
        "bloklan silin çıxar çıxma dayandır imtina ləğv vəfat",
        "abunəlikdən~çıx abunəliyi~ləğv göndərmə göndərməyin istəmir",
        "çatdırılma geri~qayıt",
        "razılıq icazə",
    ),
    "Serbian": OptOut(
        "блокиран обрисан отказао отказала преминуо преминула одбио одбила неактив "
        "blokiran obrisan otkazao otkazala preminuo preminula odbio odbila neaktiv odjav",
        "одјави одјављ одјав не~слат не~шаљ не~жели повукао~саглас повукла~саглас "
        "odjavi odjavlj ne~slat ne~šalj ne~želi povukao~saglas povukla~saglas",
    ),
    "Hebrew": OptOut(
        "בוטל הוסר חסום חסומה סירב נפטר נמחק לא~פעיל",
        "ביטול~הרשמה ביטל~הרשמה ביטול~מנוי ביטל~מנוי ביטלה~מנוי ביטלה~הרשמה לא~לשלוח אין~לשלוח הסיר~את הסירה~את "
        "לא~מעוני עזב~את~הרשימה עזבה~את~הרשימה",
        "הוחזר שגוי",
        "הסכמה",
        inside=True,
    ),
    "Hungarian": OptOut(
        "törölt törölve letilt tiltott tiltva visszavon elhunyt meghalt lemond inaktív",
        "leiratkoz kiiratkoz ne~küldj nem~kér nem~kíván",
        "visszapattan kézbesíthetetlen érvénytelen",
        "hozzájárul engedély",
    ),
    "Romanian": OptOut(
        "blocat șters retras anulat refuzat decedat dezactivat inactiv renunțat",
        "dezabon nu~trimite nu~mai~trimite nu~dorește nu~vrea consimțământ~retras a~renunțat",
        "respins invalid",
        "consimț acord",
    ),
    "Hindi": OptOut(
        "रद्द बंद ब्लॉक हटाया हटा~दिया हटाई मृत निधन अस्वीकृत इनकार समाप्त",
        "सदस्यता~रद्द सदस्यता~समाप्त अनसब्सक्राइब न~भेजें मत~भेज नहीं~चाहिए नहीं~चाहते नहीं~चाहती नहीं~चाहता",
        "अमान्य",
        "सहमति अनुमति",
        inside=True,
    ),
}


def stems(kind: str, *, inside: bool) -> Iterator[str]:
    """All stems of a kind: those that begin a word, or those that may stand inside of one."""
    for language in LANGUAGES.values():
        if language.inside == inside:
            yield from getattr(language, kind).split()
