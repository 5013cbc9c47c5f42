"""What a column is called, in many languages, and what it most likely is. One table, all compared by `plain`."""

import re
import unicodedata
from collections.abc import Iterable

from samizdat.core.fields import RESERVED_TAGS, STANDARD_FIELDS


def plain(label: str) -> str:
    """A label without case, accents, blanks and signs, to compare by."""
    parts = unicodedata.normalize("NFKD", label.casefold())
    return "".join(sign for sign in parts if sign.isalnum())


def table(text: str) -> frozenset[str]:
    return frozenset(plain(label) for label in text.split(","))


ADDRESS = table(
    "email,e-mail,email address,e-mail address,mail,mail address,email id,your email,subscriber,subscriber email,"
    "deine e-mail adresse,e-mail-adresse,emailadresse,mailadresse,ihre e-mail-adresse,correo,correo electrónico,"
    "dirección de correo electrónico,email del suscriptor,adresse e-mail,adresse email,adresse mail,courriel,"
    "adresse électronique,indirizzo email,indirizzo e-mail,posta elettronica,endereço de e-mail,endereço de email,"
    "adres e-mail,adres email,e-mailadres,e-postadress,e-postadresse,epost,e-post,sähköposti,sähköpostiosoite,"
    "e-posti aadress,e-pasts,e-pasta adrese,el. paštas,el. pašto adresas,e-mailová adresa,e-mail cím,"
    "adresa de email,e-posta,e-posta adresi,почта,эл. почта,электронная почта,адрес электронной почты,e-mail адрес,"
    "емейл,имейл,мейл,адрес,email подписчика,електронна пошта,пошта,ел. пошта,електронна адреса,"
    "адреса електронної пошти,электронная пошта,имейл адрес,ელფოსტა,էլ. փոստ"
)
FIELDS = {
    "FNAME": table(
        "first name,firstname,fname,given name,forename,vorname,prénom,nombre,nombres,nome,voornaam,förnamn,fornavn,"
        "etunimi,eesnimi,vārds,vardas,imię,jméno,keresztnév,prenume,ad,имя,ім'я,імя,імʼя,имe,ім’я"
    ),
    "LNAME": table(
        "last name,lastname,lname,surname,family name,nachname,familienname,nom,nom de famille,apellido,apellidos,"
        "cognome,sobrenome,apelido,achternaam,efternamn,etternavn,sukunimi,perekonnanimi,uzvārds,pavardė,nazwisko,"
        "příjmení,vezetéknév,nume,soyad,фамилия,прізвище,прозвішча"
    ),
    "PHONE": table(
        "phone,phone number,telephone,mobile,mobile number,telefon,telefonnummer,handy,téléphone,teléfono,telefono,"
        "telefone,puhelin,tālrunis,telefonas,телефон,номер телефона,мобильный,номер телефону"
    ),
    "BIRTHDAY": table(
        "birthday,date of birth,geburtstag,geburtsdatum,anniversaire,date de naissance,cumpleaños,compleanno,"
        "день рождения,дата рождения,день народження"
    ),
    "ADDRESS": table("address,postal address,anschrift,postanschrift,dirección,indirizzo,почтовый адрес"),
}
FULL_NAME = table(
    "name,full name,fullname,your name,vollständiger name,nom complet,nombre completo,nome completo,имя и фамилия,"
    "фио,ф. и. о.,піб,контакт,contact,contact name,subscriber name"
)
LANGUAGE = table(
    "language,lang,locale,preferred language,sprache,langue,idioma,lingua,язык,мова,kieli,valoda,kalba,keel"
)
TAGS = table("tags,tag,labels,label,метки,теги,тег,метка,schlagworte,étiquettes,etiquetas")
NOTES = table("notes,note,comment,comments,notizen,bemerkung,remarques,notas,заметки,примечание,комментарий")
OPT_IN = table(
    "optin_time,opt-in time,opt in date,opt-in date,created at,created,created_on,creation date,date created,added,"
    "date added,added at,subscribed at,subscribed on,subscribed,subscription date,signup date,sign up date,"
    "signed up,signup time,signed up at,joined,join date,date,registered at,subscribe date,start date,"
    "timestamp,entry date,submission date,submission time,submitted,submitted at,submitted on,date submitted,date/time,"
    "дата подписки,дата добавления,дата,подписан,дата отправки,дата заявки,дата и время,отметка времени,"
    "позначка часу,angemeldet am,zeitstempel,date d'inscription,date inscription,horodateur,marca temporal"
)
CONFIRM = table("confirm_time,confirmed at,confirmation time,confirmation date,confirmed on,дата подтверждения")
LEFT = table(
    "unsub_time,unsubscribed at,unsubscribed on,unsubscribe date,unsubscribe time,unsubscription date,left at,"
    "cancelled at,canceled at,дата отписки,optout time,opt-out date,optedoutat"
)
LEFT_REASON = table("unsub_reason,unsubscribe reason,unsubscribed reason,reason,причина отписки")
CHANGED = table("last_changed,updated at,last updated,modified,changed at,last modified,дата изменения")
STATUS = table("status,state,subscription status,email status,subscriber status,статус,состояние,statut,estado,stato")

# Names and places: "Block", "Left" and "Gone" are people and streets there.
NAMES_AND_PLACES = frozenset().union(*FIELDS.values(), FULL_NAME) | table(
    "first,last,middle name,middle,maiden name,nickname,initials,salutation,title,отчество,по батькові,"
    "city,town,village,street,street address,address 1,address 2,address line 1,address line 2,state/province,county,"
    "country,region,zip,zip code,postcode,postal code,company,organisation,organization,employer,"
    "stadt,ort,wohnort,straße,plz,land,firma,ville,rue,pays,code postal,société,ciudad,calle,país,empresa,città,via,"
    "paese,azienda,cidade,rua,город,улица,страна,область,организация,компания,місто,вулиця,країна,організація,"
    "miasto,ulica,kraj,pilsēta,iela,valsts,miestas,gatvė,šalis,stad,straat,plaats,πόλη,οδός,град,улица,grad,ulica"
)

# Columns that derive from an IP address or from reading, and what only means something elsewhere.
IP = table(
    "ip,ip address,optin_ip,confirm_ip,signup ip,opt-in ip,user ip,remote ip,entry ip,cookies,ip адрес,"
    "latitude,longitude,lat,lon,lng,gmtoff,dstoff,"
    "timezone,time zone,cc,region,country code,geo,geolocation,location,user agent,useragent,device,browser"
)
READING = table(
    "member_rating,rating,engagement,engagement score,score,opens,open rate,clicks,click rate,last open,last click,"
    "last opened,last clicked,emails opened,emails received,last seen,last active,activity,open count,click count,"
    "unique opens,unique clicks,total opens,total clicks,star rating,scoring,рейтинг,рейтинг контакта"
)
PROVIDER = table(
    "leid,euid,email_type,id,uuid,contact id,subscriber id,unsub_campaign_title,unsub_campaign_id,"
    "clean_campaign_title,clean_campaign_id,stripe_customer_id,stripe_connected_customer_id,prefer_digests"
)
REFERRAL = re.compile(r"utm[ _-]|referr|acquisition|attribution", re.IGNORECASE)

# A label that is itself the question: what "true" means under it, and what "false" means.
YES_NO = {
    **dict.fromkeys(table("email_disabled,unsubscribed,opted out,optout,opt-out,отписан,disabled"), "unsubscribed"),
    **dict.fromkeys(table("bounced,cleaned,hard bounced,invalid"), "cleaned"),
}
STATUS_WORDS = {
    "subscribed": table(
        "subscribed,active,enabled,confirmed,subscriber,opted in,optin,opt-in,valid,подписан,активен,активный,"
        "подтвержден,actif,aktiv,activo,abonné"
    ),
    "unsubscribed": table(
        "unsubscribed,inactive,unsub,opted out,optout,opt-out,disabled,removed,left,cancelled,canceled,deleted,"
        "archived,blocked,blacklisted,suppressed,blocklisted,отписан,"
        "отписался,неактивен,неактивный,abgemeldet,désabonné,inactivo"
    ),
    "complained": table(
        "complained,complaint,spam,spam complaint,spam complaints,spam report,marked as spam,reported spam,abuse"
    ),
    "cleaned": table("cleaned,bounced,bounce,hard bounce,hard bounced,undeliverable,invalid,dead,недоступен"),
    "pending": table(
        "pending,unconfirmed,not confirmed,waiting,validating,awaiting confirmation,unverified,не подтвержден,ожидает"
    ),
    "nonsubscribed": table("nonsubscribed,non-subscribed,transactional,not subscribed,never subscribed,customer"),
}
WORD_STATUS = {word: status for status, words in STATUS_WORDS.items() for word in words}
YES = table("true,yes,y,1,t,да,ja,oui,sí,si,on,checked")
NO = table("false,no,n,0,f,нет,nein,non,off,unchecked,null,none")

CYRILLIC = dict(zip("абвгдеёзийклмнопрстуфыэіїєґў", "abvgdeeziyklmnoprstufyeiiegu", strict=True)) | {
    "ж": "zh",
    "х": "kh",
    "ц": "ts",
    "ч": "ch",
    "ш": "sh",
    "щ": "shch",
    "ъ": "",
    "ь": "",
    "ю": "yu",
    "я": "ya",
}


class Tagger:
    """Gives columns their field tags: at most 10 characters, no two alike, the same label in another file the
    same tag. Of two columns with one label in a file the second gets a tag of its own (`NAME`, `NAME2`)."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, int], str] = {}
        self._taken = set(STANDARD_FIELDS) | RESERVED_TAGS

    def tag(self, label: str, occurrence: int) -> str:
        key = (plain(label), occurrence)
        if key not in self._given:
            self._given[key] = self._free(_ascii(label) or "FIELD")
        return self._given[key]

    def _free(self, wish: str) -> str:
        tag, count = wish[:10], 1
        while tag in self._taken:
            count += 1
            tag = f"{wish[: 10 - len(str(count))]}{count}"
        self._taken.add(tag)
        return tag


def occurrences(labels: Iterable[str]) -> list[int]:
    """For each label, how many like it came before."""
    seen: dict[str, int] = {}
    counts = []
    for key in map(plain, labels):
        counts.append(seen.get(key, 0))
        seen[key] = counts[-1] + 1
    return counts


def standard_field(label: str) -> str:
    """FNAME, LNAME, … for a label that means it, else ""."""
    key = plain(label)
    return next((tag for tag, labels in FIELDS.items() if key in labels), "")


def status_of(word: str) -> str:
    """The status that a word of a status column stands for, or ""."""
    return WORD_STATUS.get(plain(word), "")


def why_out(label: str) -> str:
    """A code of OUT_BECAUSE for columns that we leave out unless asked, else ""."""
    key = plain(label)
    if key in IP:
        return "ip"
    if key in READING or REFERRAL.search(label):
        return "reading"
    return "provider" if key in PROVIDER else ""


def _ascii(label: str) -> str:
    text = "".join(CYRILLIC.get(sign, sign) for sign in label.lower())
    text = unicodedata.normalize("NFKD", text).upper()
    return re.sub(r"[^A-Z0-9]", "", text).lstrip("0123456789")
