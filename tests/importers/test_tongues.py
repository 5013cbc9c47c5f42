"""Whoever left is heard in every language in which a list may be kept: labels, whole cells, and notes."""

import pytest

from samizdat.importers.reading.sentences import holds_leaving_word, may_be_telling, word_of
from tests.importers.helping import inspect, named

# Language -> labels under which a yes is a no to email; cells of any column that say that somebody left.
TONGUES = {
    "Arabic": (
        "إلغاء الاشتراك,ملغى الاشتراك,لا ترسل,محظور,عدم الإرسال,تاريخ إلغاء الاشتراك",
        "ألغى الاشتراك,تم إلغاء الاشتراك,غير مشترك,ملغي,لا ترسلوا له,محظور,مرتد,متوفى,محذوف,رفض,انسحب",
    ),
    "Chinese": (
        "退订,已退订,拒收,取消订阅,黑名单,请勿发送,退訂,取消訂閱,不要寄信",
        "已退订,已取消订阅,请勿发送,不要发邮件,退信,已屏蔽,已注销,已故,已退訂,請勿寄信,不再订阅,拒绝接收,邮箱无效",
    ),
    "Japanese": (
        "配信停止,購読解除,退会日,配信拒否,送信不可,メール不要,登録解除",
        "配信停止,購読解除済み,退会,退会済み,受信拒否,送信不可,メール不要,不達,宛先不明,停止中,登録解除,死亡,"
        "送らないでください",
    ),
    "Korean": (
        "수신거부,구독취소,수신 거부 여부,탈퇴일,발송금지,구독 해지",
        "수신거부,수신 거부함,구독취소,구독 해지,탈퇴,탈퇴함,차단,차단됨,반송,발송금지,보내지 마세요,해지됨,사망",
    ),
    "Turkish": (
        "Abonelikten çıktı,Abonelik iptali,Engellendi,Gönderme,İptal edildi,Listeden çıkış,E-posta istemiyor",
        "abonelikten çıktı,abonelikten ayrıldı,iptal edildi,aboneliği iptal etti,engellendi,e-posta göndermeyin,"
        "e-posta istemiyor,listeden çıktı,vefat etti,geri döndü,üyelikten ayrıldı,silindi,reddetti,istemiyor",
    ),
    "Persian": (
        "لغو اشتراک,لغو عضویت,انصراف,مسدود,ارسال نشود,عدم ارسال",
        "لغو اشتراک,لغو عضویت,انصراف داد,مسدود شده,ارسال نشود,نفرستید,غیرفعال,برگشت خورده,نامعتبر,فوت شده,حذف شده,"
        "نمی‌خواهد",
    ),
    "Portuguese": (
        "Descadastrado,Cancelado,Não enviar,Removido,Bloqueado,Desinscrito,Data de cancelamento,Recusou,Falecido",
        "descadastrado,descadastrada,cancelou a inscrição,inscrição cancelada,não enviar,removido,bloqueado,"
        "desinscrito,"
        "não quer receber,falecido,desativado,não deseja receber,devolvido,cancelado,saiu da lista,opôs-se",
    ),
    "Italian": (
        "Disiscritto,Cancellato,Non inviare,Bloccato,Revocato,Data di cancellazione,Disattivato,Deceduto",
        "disiscritto,disiscritta,cancellato,cancellata,non inviare,bloccato,consenso revocato,rimosso,deceduto,"
        "disattivato,"
        "non desidera ricevere,ha disdetto,respinto,non vuole più email,casella piena,si è cancellato",
    ),
    "Dutch": (
        "Uitgeschreven,Afgemeld,Niet mailen,Geblokkeerd,Opgezegd,Uitschrijfdatum,Geweigerd,Overleden",
        "uitgeschreven,afgemeld,niet mailen,geblokkeerd,opgezegd,verwijderd,overleden,geen mail meer,wil geen mail,"
        "toestemming ingetrokken,niet meer sturen,onbestelbaar,heeft zich uitgeschreven,geweigerd",
    ),
    "Polish": (
        "Wypisany,Rezygnacja,Nie wysyłać,Zablokowany,Odmowa,Data rezygnacji,Sprzeciw,Usunięty",
        "wypisany,wypisana,zrezygnował,zrezygnowała,rezygnacja,nie wysyłać,zablokowany,usunięty,wycofał zgodę,"
        "zmarł,zmarła,"
        "niedostarczalny,nie chce,wypisał się,sprzeciw,anulowano,nie życzy sobie,odmówił",
    ),
    "Czech": (
        "Odhlášen,Neposílat,Zrušeno,Blokován,Odmítl,Datum odhlášení,Nezasílat,Odvolal souhlas",
        "odhlášen,odhlášena,odhlášený,odhlásil se,neposílat,nezasílat,zrušeno,zrušil odběr,zablokován,odstraněn,"
        "nepřeje si,odvolal souhlas,zemřel,nedoručitelné,odmítl,nechce,smazán,už neposílat",
    ),
    "Ukrainian": (
        "Відписаний,Не надсилати,Відмова,Заблоковано,Видалений,Дата відписки,Відкликав згоду,Скасовано підписку",
        "відписаний,відписалася,не надсилати,відмовився,заблоковано,видалений,помер,відкликав згоду,скасував підписку,"
        "недоставлено,не турбувати,більше не писати,не хоче,скасовано,адреса не існує",
    ),
    "Georgian": (
        "გამოწერა გაუქმებულია,უარი,დაბლოკილი,წაშლილი,არ გაუგზავნოთ,გაუქმების თარიღი",
        "გაუქმებული,გამოწერა გააუქმა,უარი თქვა,დაბლოკილი,წაშლილი,არ გაუგზავნოთ,შეწყვეტილი,გარდაცვლილი,ამოშლილი,"
        "აღარ სურს,"
        "არ სურს,არააქტიური",
    ),
    "Armenian": (
        "Չեղարկված,Հրաժարված,Արգելափակված,Չուղարկել,Ջնջված,Հրաժարման ամսաթիվ",
        "չեղարկված,հրաժարվել է,արգելափակված,ջնջված,հեռացված,չուղարկել,չի ցանկանում,մահացած,դադարեցված,այլևս չուղարկել,"
        "ապաբաժանորդագրված,բաժանորդագրությունը չեղարկել է",
    ),
    "Kazakh": (
        "Жазылымнан шыққан,Бас тартты,Бұғатталған,Жіберілмесін,Жойылған,Бас тарту күні",
        "жазылымнан шықты,бас тартты,бас тартқан,бұғатталған,жіберілмесін,хат жібермеңіз,жойылған,тоқтатылды,өшірілген,"
        "қайтыс болды,қаламайды,қажет емес,алып тасталды",
    ),
    "Belarusian": (
        "Адпісаны,Не дасылаць,Адмова,Заблакаваны,Выдалены,Дата адпіскі,Адклікаў згоду",
        "адпісаны,адпісаўся,адпісалася,не дасылаць,адмовіўся,адмова,заблакаваны,выдалены,памёр,памерла,адклікаў згоду,"
        "не турбаваць,скасавана,больш не пісаць,не хоча,не дастаўлена",
    ),
    "Azerbaijani": (
        "Abunəlikdən çıxıb,İmtina,Bloklanıb,Göndərməyin,Silinib,Ləğv edilib,Çıxma tarixi",
        "abunəlikdən çıxıb,abunəliyi ləğv edib,imtina edib,bloklanıb,göndərməyin,silinib,çıxarılıb,dayandırılıb,"
        "vəfat edib,"
        "istəmir,məktub göndərməyin,ləğv edildi",
    ),
    "Serbian": (
        "Одјављен,Не слати,Блокиран,Обрисан,Отказао,Odjavljen,Ne slati,Blokiran,Otkazao,Datum odjave",
        "одјављен,одјавио се,не слати,блокиран,обрисан,отказао,преминуо,не жели,повукао сагласност,odjavljen,"
        "odjavila se,"
        "ne slati,blokiran,obrisan,otkazala,preminuo,ne želi,odbio,povukao saglasnost",
    ),
    "Hebrew": (
        "הוסר,בוטל,הסרה,חסום,לא לשלוח,תאריך הסרה,סירב",
        "הוסר,הוסרה,בוטל,ביטל הרשמה,ביטלה מנוי,חסום,לא לשלוח,אין לשלוח,סירב,נפטר,נפטרה,לא פעיל,הסיר את עצמו,לא מעוניין,"
        "לא מעוניינת,נמחק,הוחזר,עזב את הרשימה",
    ),
    "Hungarian": (
        "Leiratkozott,Leiratkozás dátuma,Ne küldj,Törölve,Letiltva,Visszavonta,Elhunyt,Nem kér levelet",
        "leiratkozott,leiratkozva,kiiratkozott,ne küldj,ne küldjön levelet,törölve,törölt,letiltva,tiltott,nem "
        "kér,nem kér levelet,"
        "visszavonta,elhunyt,meghalt,visszapattant,lemondta,nem kívánja,kézbesíthetetlen",
    ),
    "Romanian": (
        "Dezabonat,Dezabonare,Nu trimite,Blocat,Șters,Retras,Anulat,Refuzat,Decedat,Data dezabonării",
        "dezabonat,dezabonată,s-a dezabonat,nu trimite,nu trimiteți,blocat,șters,consimțământ retras,anulat,"
        "refuzat,decedat,"
        "nu dorește,nu vrea,respins,dezactivat,a renunțat",
    ),
    "Hindi": (
        "सदस्यता रद्द,अनसब्सक्राइब,न भेजें,ब्लॉक,हटाया गया,सदस्यता समाप्ति तिथि",
        "सदस्यता रद्द,सदस्यता समाप्त,अनसब्सक्राइब,अनसब्सक्राइब किया,न भेजें,ईमेल न भेजें,मत भेजो,मत भेजिए,ब्लॉक,"
        "हटाया गया,"
        "हटा दिया,रद्द,बंद,मृत,निधन,अस्वीकृत,इनकार,नहीं चाहिए,नहीं चाहते",
    ),
}


def pairs(place: int) -> list[tuple[str, str]]:
    return [(tongue, word) for tongue, lists in TONGUES.items() for word in lists[place].split(",")]


@pytest.mark.parametrize(("tongue", "label"), pairs(0))
def test_a_label_that_says_in_any_language_that_people_left_stops_the_import(tongue: str, label: str) -> None:
    found = inspect(named("list.csv", f"email,{label}\na@example.org,1\nb@example.org,0\n".encode()))
    assert [question.code for question in found.plan().with_status("subscribed").questions()] == ["ask_columns"]
    assert found.files[0].columns[1].words["0"] != "unsubscribed"


@pytest.mark.parametrize(("tongue", "word"), pairs(1))
def test_a_cell_that_says_in_any_language_that_somebody_left_is_asked_and_kept_out(tongue: str, word: str) -> None:
    text = f"email,Group\nann@x.example,Riga\nbob@x.example,{word}\n"
    column = inspect(named("people.csv", text.encode())).files[0].columns[1]
    assert column.asks and column.words[word_of(word)] in {"unsubscribed", "cleaned", "nonsubscribed"}


def test_the_quick_look_at_many_cells_overlooks_none_that_the_long_look_finds() -> None:
    words = [word for _, word in [*pairs(0), *pairs(1)]]
    telling = [word for word in words if holds_leaving_word(word)]
    assert len(telling) > 400
    assert [word for word in telling if may_be_telling(["Riga", word, "Anna"]) != [word]] == []
    assert [word for word in telling if may_be_telling(["2025", f" {word}"]) != [f" {word}"]] == []
    assert may_be_telling(["2025-03-01", "+371 2000"]) == []
    assert may_be_telling(["Riga", "Two\nlines", "Отписка", "unsubscribed\nin March"]) == [
        "Отписка",
        "unsubscribed\nin March",
    ]
