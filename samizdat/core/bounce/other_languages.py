"""What servers say in other languages than English: a line a language, in the order German, French, Spanish, Italian,
Portuguese, Polish, Dutch, Scandinavian, Finnish, Czech, Hungarian, Turkish, Russian, Ukrainian, Chinese, Japanese, Korean.

Marks of Latin letters don't matter (phrases.folded), so none are written but where the word looks odd without.
"""

# ruff: noqa: E501  (tables, and Chinese characters count twice)

from samizdat.core.bounce.phrases import listed

# Name of reasons.REASONS -> words; * and ~ as there.
REASONS: dict[str, tuple[str, ...]] = {
    "mailbox_full": listed("""
        postfach * ist voll | postfach * voll ist | mailbox ist voll | speichervolumen uberschritten | speichervolumen ueberschritten | kontingent uberschritten |
        boite pleine | boite * est pleine | boite aux lettres * pleine | quota depasse | quota est depasse |
        buzon lleno | buzon * lleno | casilla llena | casilla * llena | bandeja de entrada * llena | cuota excedida | excedido su cuota | excedido la cuota |
        casella * piena | quota superata | spazio esaurito |
        caixa * cheia | caixa * lotada | cota excedida | quota excedida | excedeu a cota |
        skrzynka * pelna | skrzynka * przepelniona | przekroczony limit pojemnosci | przekroczono limit pojemnosci | przekroczona pojemnosc |
        postvak * vol | mailbox is vol | quotum overschreden | postbus * vol |
        brevlada * full | inkorg * full | postkasse * fuld | postkasse * full | innboks * full | indbakke * fuld |
        postilaatikko * taynna |
        schranka * plna | prekrocena kvota | kvota prekrocena |
        postafiok * megtelt | postalada * megtelt | postafiok * betelt |
        posta kutusu * dolu | kotasi doldu | kota asildi |
        ящик полон | ящик * полон | ящик * заполнен | ящике * нет места | недостаточно места | квота превышена |
        переповнен | скринька * заповнена | перевищено квоту | квоту перевищено |
        空间不足 | 容量不足 | 邮箱已满 | 邮箱 * 已满 | 收件箱已满 | 信箱已满 | 超出容量 | 空間不足 | 信箱已滿 | 郵箱已滿 | 收件匣已滿 | 配額 * 超過 |
        一杯 | 容量オーバー | 容量が不足 | 満杯 | 容量制限 | 空き容量 |
        용량 초과 | 용량이 초과 | 용량을 초과 | 용량이 부족 | 가득 찼 | 가득 차
    """),
    "too_big": listed("""
        nachricht ist zu gross | message trop volumineux | demasiado grande | troppo grande | muito grande | zbyt duza wiadomosc |
        bericht is te groot | 邮件过大 | 邮件太大 | 郵件太大 | サイズ制限 | слишком большое
    """),
    "rate": listed("""
        zu viele nachrichten | trop de messages | demasiados mensajes | слишком много писем | 频率 * 限制 | 发送过于频繁
    """),
    "sender": listed("""
        absenderadresse | absenderdomain | adresse de l'expediteur | domaine de l'expediteur | domaine expediteur |
        dominio del remitente | direccion del remitente | dominio mittente | indirizzo del mittente | dominio do remetente | endereco do remetente |
        nicht berechtigt | keine berechtigung | pas autorise | n'avez pas l'autorisation | no tiene permiso | non e autorizzat | nao tem permissao | brak uprawnien |
        разрешения на | прав на публикацию | у вас нет прав | дозволу на | немає дозволу | не маєте дозволу | 没有权限 | 無權限 | 沒有權限 | 権限が | 권한이 |
        домен отправителя | адрес отправителя не | адрес отправителя откл | отправитель откл | отправитель не | 发件人域名 | 发件人地址不 | 发信域名
    """),
    "blocked": listed("""
        auf einer schwarzen liste | sur liste noire | lista negra | lista nera | czarnej liscie | черном списке | чёрном списке | чорному списку | 黑名单 | 黑名單
    """),
    "spam": listed("""
        ~спам | ~нежелательн | ~небажан | 垃圾邮件 | 垃圾郵件 | 스팸
    """),
    "disabled": listed("""
        konto ist gesperrt | compte desactive | compte suspendu | boite desactivee | boite aux lettres desactivee | adresse desactivee |
        cuenta deshabilitada | cuenta desactivada | cuenta suspendida | usuario deshabilitado | buzon deshabilitado | inhabilitad |
        casella disabilitata | casella sospesa | account disabilitato | utente disabilitato |
        conta desativada | conta suspensa | conta inativa | caixa desativada | usuario inativo |
        konto nieaktywne | konto zostalo zablokowane | skrzynka zablokowana | nieaktywn |
        account is geblokkeerd | kontot ar avstangt | kontoen er deaktiveret | kontoen er deaktivert | devre disi | askiya alin | ucet je zablokovan |
        ящик * заблокирован | ящик * отключен | ~неактив | заморожен | заблокован | вимкнен | неактивн |
        已停用 | 已禁用 | 被禁用 | 已冻结 | 被冻结 | 已停權 | 利用停止 | 停止中 | 一時停止 | 휴면 | 정지된 | 사용 중지
    """),
    "filtered": listed("""
        vom empfanger abgelehnt | refuse par le destinataire | rechazado por el destinatario | rifiutato dal destinatario | recusado pelo destinatario |
        отклонено получателем | получатель отказался | 收件人拒收 | 被收件人拒 | 对方拒收
    """),
    "user_unknown": listed("""
        empfanger existiert nicht | adresse existiert nicht | adresse * existiert nicht | postfach existiert nicht | benutzer existiert nicht | unbekannter benutzer | unbekannter empfanger | benutzer unbekannt | empfanger ist unbekannt | adresse * nicht gefunden | empfanger * nicht gefunden | im domino-verzeichnis nicht | nicht im domino-verzeichnis | kein solcher benutzer |
        adresse n'existe pas | adresse * n'existe pas | utilisateur n'existe pas | boite aux lettres n'existe pas | destinataire n'existe pas | compte n'existe pas | adresse introuvable | destinataire introuvable | adresse * est introuvable | adresse * n'a pas ete trouvee | utilisateur inexistant | adresse inexistante | boite inexistante | destinataire invalide | adresse invalide | ~n'existe pas | ~introuvable |
        usuario no existe | usuario * no existe | cuenta no existe | cuenta * no existe | direccion no existe | direccion * no existe | buzon no existe | destinatario no existe | usuario desconocido | destinatario desconocido | usuario inexistente | cuenta inexistente | direccion inexistente | destinatario inexistente | usuario no encontrado | encontrado la direccion | encontrar la direccion | no se encontro * direccion |
        utente sconosciuto | destinatario sconosciuto | utente inesistente | indirizzo inesistente | casella inesistente | utente non esiste | indirizzo non esiste | indirizzo * non esiste | casella * non esiste | destinatario non esiste | indirizzo * non e stato trovato | ~non esiste | ~non trovato |
        usuario desconhecido | destinatario desconhecido | usuario nao existe | usuario * nao existe | endereco nao existe | endereco * nao existe | conta nao existe | conta inexistente | endereco inexistente | caixa postal inexistente | usuario nao encontrado | endereco * nao foi encontrado | destinatario nao encontrado | ~inexistente | ~desconhecid |
        nieznany uzytkownik | nieznany adresat | nieznany odbiorca | adres nie istnieje | adres * nie istnieje | uzytkownik nie istnieje | konto nie istnieje | skrzynka nie istnieje | odbiorca nie istnieje | brak takiego | nie mozna odnalezc * adres | ~nie znaleziono |
        onbekende gebruiker | onbekende ontvanger | gebruiker onbekend | ontvanger onbekend | adres bestaat niet | gebruiker bestaat niet | adres * niet gevonden | ~bestaat niet |
        okand mottagare | okand anvandare | mottagaren finns inte | adressen finns inte | anvandaren finns inte | adressen hittades inte | ukendt modtager | ukendt bruger | ukjent mottaker | ukjent bruker | modtageren findes ikke | adressen findes ikke | adressen finnes ikke | mottakeren finnes ikke | adressen ble ikke funnet | adressen blev ikke fundet | ~finns inte | ~findes ikke | ~finnes ikke |
        tuntematon vastaanottaja | tuntematon kayttaja | osoitetta ei loytynyt | osoitetta ei ole | vastaanottajaa ei |
        neznamy uzivatel | neznamy prijemce | neznamy adresat | uzivatel neexistuje | adresa neexistuje | adresat neexistuje | schranka neexistuje | ~neexistuje |
        ismeretlen felhasznalo | ismeretlen cimzett | felhasznalo nem letezik | cim nem letezik | nem letezo felhasznalo | nem letezo cim | ~nem letezik |
        kullanici bulunamadi | kullanici bulunmamaktadir | adres bulunamadi | adresi bulunamadi | alici bulunamadi | boyle bir kullanici yok | bilinmeyen kullanici | bilinmeyen alici | kullanici mevcut degil |
        пользователь не найден | пользователь * не найден | получатель не найден | получатель * не найден | адресат не найден | адрес не найден | адрес * не найден | ящик не найден | ящик * не найден | адрес * не существует | ящик * не существует | пользователь * не существует | получатель * не существует | пользователя не существует | неизвестный получатель | неизвестный пользователь | неизвестный адресат | нет такого пользователя | нет такого адреса | нет такого ящика | ~несуществующ |
        користувача не | користувач не знайдений | одержувача не знайдено | отримувача не знайдено | адресу не знайдено | скриньку не знайдено | не існує | невідомий користувач | невідомий отримувач | невідомий одержувач | немає такого | ~не знайдено |
        用户不存在 | 用户 * 不存在 | 收件人不存在 | 收件人 * 不存在 | 邮箱不存在 | 邮箱 * 不存在 | 邮件地址不存在 | 地址不存在 | 帐号不存在 | 账号不存在 | 用户未找到 | 找不到用户 | 找不到收件人 | 无此用户 | 查无此人 | 未知用户 | 收件人无效 | 无效的收件人 | 地址无效 | 使用者不存在 | 用戶不存在 | 收件者不存在 | 信箱不存在 | 無此使用者 | 無此用戶 | 查無此人 | 找不到收件者 | ~不存在 | ~找不到 |
        宛先が見つかり | 宛先のユーザー * 見つかりません | ユーザーが見つかり | アドレスが見つかり | アドレス * 見つかりませんでした | 該当するユーザ | 該当ユーザ | ユーザーが存在しません | ユーザー不明 | 宛先が不明 | 受信者が存在 | 現在使われて |
        존재하지 않는 | 알 수 없는 사용자 | 없는 사용자 | 등록되지 않은 | 사용자를 찾을 수 없 | 수신자를 찾을 수 없 | 주소를 찾을 수 없
    """),
    "host_unknown": listed("""
        domain existiert nicht | domain * nicht gefunden | domaine n'existe pas | domaine inconnu | dominio no existe | dominio desconocido | dominio inesistente | dominio non esiste |
        dominio nao existe | dominio inexistente | domena nie istnieje | domein bestaat niet | domena neexistuje | домен не найден | домен не существует | домена не существует | домен не знайдено | 域名不存在 | 網域不存在 | ドメインが存在
    """),
    "expired": listed("""
        zeituberschreitung | zeitueberschreitung | temporairement indisponible | vorubergehend nicht | temporalmente | temporaneamente | temporariamente | chwilowo | tymczasow |
        временно | тимчасово | 超时 | 超時 | 连接失败 | 連線失敗 | タイムアウト | 接続できません
    """),
}  # fmt: skip

# A message did not arrive: in a subject or in the text.
NOT_DELIVERED = listed("""
    nicht zugestellt | nicht ausgeliefert | nicht ubermittelt | zustellfehler | zustellung fehlgeschlagen | unzustellbar | nicht zustellbar |
    n'a pas ete remis | n'a pas ete distribue | n'a pas pu etre | n'ont pas pu etre | impossible de remettre | impossible de distribuer | echec de la remise | echec de remise | echec de la distribution | echec d'envoi | non distribue | non remis |
    no se ha entregado | no ha sido entregado | no fue entregado | no pudo entregarse | error de entrega | no se puede entregar | no se pudo enviar | entrega fallida | fallo en la entrega | correo devuelto | mensaje devuelto |
    non e stato consegnato | non e stata consegnata | non consegnat | mancata consegna | mancato recapito | recapito non riuscito | non recapitabile | impossibile consegnare | impossibile recapitare |
    nao pode ser entregue | nao foi entregue | nao foi possivel entregar | falha na entrega | nao entregue | mensagem devolvida | nao e possivel entregar |
    nie zostala dostarczona | nie zostal dostarczony | nie powiodlo sie dostarcz | dostarczenie wiadomosci | nie udalo sie dostarczyc | nie mozna dostarczyc | niedostarcz | zwrot wiadomosci |
    niet worden bezorgd | niet bezorgd | niet worden afgeleverd | niet afgeleverd | onbestelbaar |
    inte levereras | inte leverera | olevererbar | kunne ikke leveres | ikke leveret | ikke levert | kan ikke leveres | ei voitu toimittaa | toimitus epaonnistui |
    nelze dorucit | nebyla dorucena | nedorucen | nedorucitel | nepodarilo se dorucit | nem kezbesitheto | kezbesitese sikertelen | nem sikerult kezbesiteni | kezbesithetetlen |
    teslim edilemedi | teslim edilemez | iletilemedi | gonderilemedi |
    не доставлено | недоставлен | не доставлен | не может быть доставлен | не может быть отправлен | не удалось доставить | не было доставлен | ошибка доставки | возвращено отправителю |
    не може бути доставлен | не вдалося доставити | не було доставлен | помилка доставки |
    无法送达 | 无法投递 | 投递失败 | 未能送达 | 未送达 | 被退回 | 退信 | 发送失败 | 無法遞送 | 無法傳送 | 無法送達 | 無法投遞 | 郵件退回 | 遞送失敗 | 傳送失敗 |
    配信できません | 配信に失敗 | 配信エラー | 配送に失敗 | 配送エラー | 送信に失敗 | 送信エラー | 届きません | 配達できません | 配信不能 |
    전송되지 않 | 전송 실패 | 전송에 실패 | 전송하지 못 | 배달되지 않 | 배달하지 못 | 전달되지 않 | 발송 실패 | 발송에 실패 | 반송
""")  # fmt: skip

# It's still being tried.
DELAYED = listed("""
    weiter versucht | zustellung verzogert | bisher nicht zugestellt | noch nicht zugestellt | reessaiera | remise differee | a ete retarde | remise retardee | remise incomplete |
    se ha retrasado | seguira intentando | volvera a intentar | e in ritardo | consegna ritardata | verra ritentat | continuara a tentar | entrega atrasada | bude se pokouset |
    dostarczenie opozni | ponowi prob | vertraagd | forsinket | forsenad |
    еще не доставлен | ещё не доставлен | доставка задерж | задержка доставки | доставка отложен | попытки доставки | ще не доставлен |
    延迟 | 稍后重试 | 继续尝试 | 延遲 | 遅延 | 再送を試 | 再送信を | 再試行 | 지연
""")  # fmt: skip

DELIVERED = listed("""
    a ete remis a | ha sido entregado | e stato recapitato | e stato consegnato a | foi entregue | zostala dostarczona do | is bezorgd | ble levert | blev leveret |
    доставлено получател | было доставлено | доставлено адресат | 已送达 | 已成功送达 | 配信されました | 전달되었습니다
""")  # fmt: skip

# From the line with one of these on it's the message that came back.
MARKS = listed("""
    nachrichtenkopfzeilen | en-têtes de message | en-têtes du message | encabezados de mensaje | encabezados originales | intestazioni originali | intestazioni messaggio |
    cabeçalhos de mensagem | cabeçalhos da mensagem | nagłówki oryginalnej | исходные заголовки | оригинальное сообщение | копія листа | вихідні заголовки |
    元のメッセージ | 原邮件 | 原始邮件 | 原始郵件 | 원본 메시지
""")  # fmt: skip
