import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from understudy.data.chats.files import ExportFile
from understudy.data.chats.message import Message, Unread
from understudy.data.chats.read import read_chats
from understudy.data.chats.stamps import read_stamp
from understudy.data.chats.whatsapp import chat_name, read_whatsapp, survey
from understudy.data.demo.chat_exports import whatsapp_lines
from understudy.errors import UserError

LRM, RLM, NNBSP = "\u200e", "\u200f", "\u202f"

# of each language: two people say a line each, send a picture, take something back and edit a text
EXPORTS = {
    "en-US, Android": f"""\
3/5/24, 3:15{NNBSP}PM - Messages and calls are end-to-end encrypted. Nobody else can read.
3/5/24, 3:15{NNBSP}PM - Anna: one
3/5/24, 11:59{NNBSP}PM - Ben: two
and more
3/13/24, 12:05{NNBSP}AM - Anna: <Media omitted>
3/13/24, 12:06{NNBSP}PM - Ben: This message was deleted
3/13/24, 12:07{NNBSP}PM - Anna: last <This message was edited>
""",
    "en-GB, iPhone": f"""\
[05/03/2024, 15:15:00] Anna: {LRM}Messages and calls are end-to-end encrypted.
[05/03/2024, 15:15:00] Anna: one
[05/03/2024, 23:59:00] Ben: two
and more
{LRM}[13/03/2024, 00:05:00] Anna: {LRM}image omitted
[13/03/2024, 12:06:00] Ben: {LRM}This message was deleted.
[13/03/2024, 12:07:00] Anna: last {LRM}<This message was edited>
""",
    "en-IN": f"""\
05/03/24, 3:15{NNBSP}pm - Anna created group "Trip: the plan"
05/03/24, 3:15{NNBSP}pm - Anna: one
05/03/24, 11:59{NNBSP}pm - Ben: two
and more
13/03/24, 12:05{NNBSP}am - Anna: IMG-20240313-WA0001.jpg (file attached)
13/03/24, 12:06{NNBSP}pm - Ben: This message was deleted
13/03/24, 12:07{NNBSP}pm - Anna: last <This message was edited>
""",
    "de": """\
05.03.24, 15:15 - Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.
05.03.24, 15:15 - Anna: one
05.03.24, 23:59 - Ben: two
and more
13.03.24, 00:05 - Anna: <Medien ausgeschlossen>
13.03.24, 12:06 - Ben: Diese Nachricht wurde gelöscht.
13.03.24, 12:07 - Anna: last <Diese Nachricht wurde bearbeitet.>
""",
    "fr": """\
05/03/2024, 15:15 - Les messages et les appels sont chiffrés de bout en bout.
05/03/2024, 15:15 - Anna: one
05/03/2024, 23:59 - Ben: two
and more
13/03/2024, 00:05 - Anna: <Médias omis>
13/03/2024, 12:06 - Ben: Ce message a été supprimé
13/03/2024, 12:07 - Anna: last <Ce message a été modifié>
""",
    "es-MX": """\
5/3/24, 3:15 p. m. - Los mensajes y las llamadas están cifrados de extremo a extremo.
5/3/24, 3:15 p. m. - Anna: one
5/3/24, 11:59 p. m. - Ben: two
and more
13/3/24, 12:05 a. m. - Anna: <Multimedia omitido>
13/3/24, 12:06 p. m. - Ben: Se eliminó este mensaje.
13/3/24, 12:07 p. m. - Anna: last <Se editó este mensaje.>
""",
    "pt-BR": """\
05/03/2024 15:15 - As mensagens e as chamadas são protegidas com a criptografia de ponta a ponta.
05/03/2024 15:15 - Anna: one
05/03/2024 23:59 - Ben: two
and more
13/03/2024 00:05 - Anna: <Mídia oculta>
13/03/2024 12:06 - Ben: Mensagem apagada
13/03/2024 12:07 - Anna: last <Mensagem editada>
""",
    "it": """\
05/03/24, 15:15 - I messaggi e le chiamate sono crittografati end-to-end.
05/03/24, 15:15 - Anna: one
05/03/24, 23:59 - Ben: two
and more
13/03/24, 00:05 - Anna: PTT-20240313-WA0001.opus (file allegato)
13/03/24, 12:06 - Ben: Questo messaggio è stato eliminato
13/03/24, 12:07 - Anna: last <Questo messaggio è stato modificato>
""",
    "nl": """\
05-03-2024 15:15 - Berichten en gesprekken worden end-to-end versleuteld.
05-03-2024 15:15 - Anna: one
05-03-2024 23:59 - Ben: two
and more
13-03-2024 00:05 - Anna: <Media weggelaten>
13-03-2024 12:06 - Ben: Dit bericht is verwijderd
13-03-2024 12:07 - Anna: last <Dit bericht is bewerkt>
""",
    "pl": """\
5.03.2024, 15:15 - Wiadomości i połączenia są w pełni zaszyfrowane.
5.03.2024, 15:15 - Anna: one
5.03.2024, 23:59 - Ben: two
and more
13.03.2024, 00:05 - Anna: <Pominięto multimedia>
13.03.2024, 12:06 - Ben: Ta wiadomość została usunięta
13.03.2024, 12:07 - Anna: last <Ta wiadomość została zmieniona>
""",
    "ru": """\
05.03.2024, 15:15 - Сообщения и звонки защищены сквозным шифрованием.
05.03.2024, 15:15 - Anna: one
05.03.2024, 23:59 - Ben: two
and more
13.03.2024, 00:05 - Anna: <Без медиафайлов>
13.03.2024, 12:06 - Ben: Данное сообщение удалено
13.03.2024, 12:07 - Anna: last <Сообщение изменено>
""",
    "uk, iPhone": f"""\
[05.03.24, 15:15:00] Anna: {LRM}Повідомлення й дзвінки захищено наскрізним шифруванням.
[05.03.24, 15:15:00] Anna: one
[05.03.24, 23:59:00] Ben: two
and more
{LRM}[13.03.24, 00:05:00] Anna: {LRM}<додано: 00000004-PHOTO-2024-03-13-00-05-00.jpg>
[13.03.24, 12:06:00] Ben: {LRM}Це повідомлення видалено.
[13.03.24, 12:07:00] Anna: last {LRM}<Це повідомлення змінено>
""",
    "tr": """\
5.03.2024 15:15 - Mesajlar ve aramalar uçtan uca şifrelidir.
5.03.2024 15:15 - Anna: one
5.03.2024 23:59 - Ben: two
and more
13.03.2024 00:05 - Anna: <Medya dahil edilmedi>
13.03.2024 12:06 - Ben: Bu mesaj silindi
13.03.2024 12:07 - Anna: last <Bu mesaj düzenlendi>
""",
    "ar": f"""\
٥{RLM}/٣{RLM}/٢٠٢٤، ٣:١٥ م - الرسائل والمكالمات مشفرة تمامًا بين الطرفين.
٥{RLM}/٣{RLM}/٢٠٢٤، ٣:١٥ م - Anna: one
٥{RLM}/٣{RLM}/٢٠٢٤، ١١:٥٩ م - Ben: two
and more
١٣{RLM}/٣{RLM}/٢٠٢٤، ١٢:٠٥ ص - Anna: <تم استبعاد الوسائط>
١٣{RLM}/٣{RLM}/٢٠٢٤، ١٢:٠٦ م - Ben: تم حذف هذه الرسالة
١٣{RLM}/٣{RLM}/٢٠٢٤، ١٢:٠٧ م - Anna: last <تم تعديل هذه الرسالة>
""",
    "he": f"""\
5.3.2024, 15:15 - {RLM}ההודעות והשיחות מוצפנות מקצה לקצה.
5.3.2024, 15:15 - {RLM}Anna: one
5.3.2024, 23:59 - {RLM}Ben: two
and more
13.3.2024, 0:05 - {RLM}Anna: {RLM}<המדיה לא נכללה>
13.3.2024, 12:06 - {RLM}Ben: הודעה זו נמחקה
13.3.2024, 12:07 - {RLM}Anna: last <ההודעה נערכה>
""",
    "fa, of the Persian calendar": """\
۱۴۰۲/۱۲/۱۵،\u200f ۱۵:۱۵ - پیام‌ها و تماس‌ها رمزگذاری شده‌اند.
۱۴۰۲/۱۲/۱۵،\u200f ۱۵:۱۵ - Anna: one
۱۴۰۲/۱۲/۱۵،\u200f ۲۳:۵۹ - Ben: two
and more
۱۴۰۲/۱۲/۲۳،\u200f ۰۰:۰۵ - Anna: <رسانه حذف شد>
۱۴۰۲/۱۲/۲۳،\u200f ۱۲:۰۶ - Ben: این پیام حذف شد
۱۴۰۲/۱۲/۲۳،\u200f ۱۲:۰۷ - Anna: last <این پیام ویرایش شد>
""",
    "hi": """\
५/३/२४, ३:१५ pm - मैसेज और कॉल एंड-टू-एंड एन्क्रिप्टेड हैं.
५/३/२४, ३:१५ pm - Anna: one
५/३/२४, ११:५९ pm - Ben: two
and more
१३/३/२४, १२:०५ am - Anna: <मीडिया के बिना>
१३/३/२४, १२:०६ pm - Ben: यह मैसेज डिलीट कर दिया गया है
१३/३/२४, १२:०७ pm - Anna: last <यह मैसेज एडिट किया गया>
""",
    "id": """\
05/03/24 15.15 - Pesan dan panggilan terenkripsi secara end-to-end.
05/03/24 15.15 - Anna: one
05/03/24 23.59 - Ben: two
and more
13/03/24 00.05 - Anna: <Media tidak disertakan>
13/03/24 12.06 - Ben: Pesan ini dihapus
13/03/24 12.07 - Anna: last <Pesan ini diedit>
""",
    "th, of the Buddhist calendar": """\
5/3/2567 15:15 - ข้อความและการโทรได้รับการเข้ารหัสจากต้นทางถึงปลายทาง
5/3/2567 15:15 - Anna: one
5/3/2567 23:59 - Ben: two
and more
13/3/2567 00:05 - Anna: <ไม่รวมไฟล์สื่อ>
13/3/2567 12:06 - Ben: ข้อความนี้ถูกลบแล้ว
13/3/2567 12:07 - Anna: last <ข้อความนี้ถูกแก้ไข>
""",
    "ja, of the Japanese calendar": f"""\
[R6/03/05 15:15:00] Anna: {LRM}メッセージと通話はエンドツーエンド暗号化されています。
[R6/03/05 15:15:00] Anna: one
[R6/03/05 23:59:00] Ben: two
and more
{LRM}[R6/03/13 0:05:00] Anna: {LRM}画像は含まれていません
[R6/03/13 12:06:00] Ben: {LRM}このメッセージは削除されました。
[R6/03/13 12:07:00] Anna: last {LRM}<このメッセージは編集されました>
""",
    "ko": """\
2024년 3월 5일 오후 3:15 - 메시지와 통화는 종단간 암호화됩니다.
2024년 3월 5일 오후 3:15 - Anna: one
2024년 3월 5일 오후 11:59 - Ben: two
and more
2024년 3월 13일 오전 12:05 - Anna: <미디어 파일 제외됨>
2024년 3월 13일 오후 12:06 - Ben: 이 메시지는 삭제되었습니다
2024년 3월 13일 오후 12:07 - Anna: last <이 메시지는 수정되었습니다>
""",
    "zh-CN": """\
2024/3/5 下午3:15 - 消息和通话都进行端到端加密。
2024/3/5 下午3:15 - Anna: one
2024/3/5 晚上11:59 - Ben: two
and more
2024/3/13 凌晨12:05 - Anna: <省略多媒体文件>
2024/3/13 中午12:06 - Ben: 这条消息已被删除
2024/3/13 中午12:07 - Anna: last <此消息已编辑>
""",
    "zh-TW, iPhone": f"""\
[2024/3/5 下午3:15:00] Anna: {LRM}訊息和通話經端對端加密。
[2024/3/5 下午3:15:00] Anna: one
[2024/3/5 下午11:59:00] Ben: two
and more
{LRM}[2024/3/13 上午12:05:00] Anna: {LRM}圖片已略去
[2024/3/13 下午12:06:00] Ben: {LRM}此訊息已刪除。
[2024/3/13 下午12:07:00] Anna: last {LRM}<此訊息已編輯>
""",
    "sv": """\
2024-03-05 15:15 - Meddelanden och samtal är krypterade från ände till ände.
2024-03-05 15:15 - Anna: one
2024-03-05 23:59 - Ben: two
and more
2024-03-13 00:05 - Anna: <Media har utelämnats>
2024-03-13 12:06 - Ben: Det här meddelandet raderades
2024-03-13 12:07 - Anna: last <Det här meddelandet redigerades>
""",
    "fi": """\
5.3.2024 klo 15.15 - Viestit ja puhelut salataan täysin.
5.3.2024 klo 15.15 - Anna: one
5.3.2024 klo 23.59 - Ben: two
and more
13.3.2024 klo 0.05 - Anna: <Media jätettiin pois>
13.3.2024 klo 12.06 - Ben: Tämä viesti poistettiin
13.3.2024 klo 12.07 - Anna: last <Tätä viestiä muokattiin>
""",
    "da": """\
05.03.2024 kl. 15.15 - Beskeder og opkald er end-to-end-krypterede.
05.03.2024 kl. 15.15 - Anna: one
05.03.2024 kl. 23.59 - Ben: two
and more
13.03.2024 kl. 00.05 - Anna: <Medier udeladt>
13.03.2024 kl. 12.06 - Ben: Denne besked blev slettet
13.03.2024 kl. 12.07 - Anna: last <Denne besked blev redigeret>
""",
    "hu": """\
2024. 03. 05. 15:15 - Az üzenetek és hívások végpontok közötti titkosítással vannak védve.
2024. 03. 05. 15:15 - Anna: one
2024. 03. 05. 23:59 - Ben: two
and more
2024. 03. 13. 0:05 - Anna: <Hiányzó médiafájl>
2024. 03. 13. 12:06 - Ben: Ez az üzenet törlésre került
2024. 03. 13. 12:07 - Anna: last <Ezt az üzenetet szerkesztették>
""",
    "el": """\
5/3/24, 3:15 μ.μ. - Τα μηνύματα και οι κλήσεις κρυπτογραφούνται πλήρως.
5/3/24, 3:15 μ.μ. - Anna: one
5/3/24, 11:59 μ.μ. - Ben: two
and more
13/3/24, 12:05 π.μ. - Anna: <Εξαίρεση πολυμέσων>
13/3/24, 12:06 μ.μ. - Ben: Αυτό το μήνυμα διαγράφηκε
13/3/24, 12:07 μ.μ. - Anna: last <Αυτό το μήνυμα τροποποιήθηκε>
""",
    "vi, the time first": """\
15:15, 05/03/2024 - Tin nhắn và cuộc gọi được mã hóa đầu cuối.
15:15, 05/03/2024 - Anna: one
23:59, 05/03/2024 - Ben: two
and more
00:05, 13/03/2024 - Anna: <Bỏ qua Media>
12:06, 13/03/2024 - Ben: Tin nhắn này đã bị xóa
12:07, 13/03/2024 - Anna: last <Tin nhắn này đã được chỉnh sửa>
""",
    "bg": """\
5.03.24 г., 15:15 - Съобщенията и обажданията са шифровани от край до край.
5.03.24 г., 15:15 - Anna: one
5.03.24 г., 23:59 - Ben: two
and more
13.03.24 г., 0:05 - Anna: <Без файл>
13.03.24 г., 12:06 - Ben: Съобщението беше изтрито
13.03.24 г., 12:07 - Anna: last <Съобщението е редактирано>
""",
    "cs": """\
05.03.24 15:15 - Zprávy a hovory jsou opatřeny koncovým šifrováním.
05.03.24 15:15 - Anna: one
05.03.24 23:59 - Ben: two
and more
13.03.24 0:05 - Anna: <Média vynechána>
13.03.24 12:06 - Ben: Tato zpráva byla smazána
13.03.24 12:07 - Anna: last <Tato zpráva byla upravena>
""",
    "ro": """\
05.03.2024, 15:15 - Mesajele și apelurile sunt criptate integral.
05.03.2024, 15:15 - Anna: one
05.03.2024, 23:59 - Ben: two
and more
13.03.2024, 00:05 - Anna: <Conținut media omis>
13.03.2024, 12:06 - Ben: Acest mesaj a fost șters
13.03.2024, 12:07 - Anna: last <Acest mesaj a fost editat>
""",
    "de, in words": """\
5. März 2024 um 15:15 - Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.
5. März 2024 um 15:15 - Anna: one
5. März 2024 um 23:59 - Ben: two
and more
13. März 2024 um 00:05 - Anna: <Medien ausgeschlossen>
13. März 2024 um 12:06 - Ben: Diese Nachricht wurde gelöscht.
13. März 2024 um 12:07 - Anna: last <Diese Nachricht wurde bearbeitet.>
""",
}


def read(path: Path, text: str, name: str = "_chat.txt") -> list[Message | Unread]:
    (path / name).write_text(text, "utf-8")
    return list(read_chats([str(path / name)], names=["Anna"]))


def said(found: list[Message | Unread]) -> list[tuple[str | None, str, str]]:
    assert all(isinstance(one, Message) for one in found), found
    return [(one.sender, one.text, one.kind) for one in found if isinstance(one, Message)]


@pytest.mark.parametrize("language", EXPORTS)
def test_a_phone_of_any_language(tmp_path: Path, language: str) -> None:
    found = read(tmp_path, EXPORTS[language])
    notice, *talk = said(found)
    assert notice[0] is None
    assert notice[2] == "system"
    assert [(sender, kind) for sender, _, kind in talk] == [
        ("Anna", "text"),
        ("Ben", "text"),
        ("Anna", "media"),
        ("Ben", "system"),
        ("Anna", "text"),
    ]
    assert [text for _, text, kind in talk if kind != "system"] == ["one", "two\nand more", "", "last"]
    times = ["05T15:15", "05T23:59", "13T00:05", "13T12:06", "13T12:07"]
    sent = [one.sent for one in found[1:] if isinstance(one, Message)]
    assert sent == [datetime.fromisoformat(f"2024-03-{time}") for time in times]


@pytest.mark.parametrize(
    ("days", "first"),
    [
        (["1/2/24", "13/2/24"], datetime(2024, 2, 1, 9, 0)),  # there is no month 13
        (["1/2/24", "2/13/24"], datetime(2024, 1, 2, 9, 0)),
        (["9/2/24", "10/2/24", "1/3/24", "2/3/24"], datetime(2024, 2, 9, 9, 0)),  # else time runs back
        (["2/9/24", "2/10/24", "3/1/24", "3/2/24"], datetime(2024, 2, 9, 9, 0)),
        (["1/2/24", "2/2/24", "3/2/24"], datetime(2024, 2, 1, 9, 0)),  # three days rather than three months
        (["24/02/01", "24/02/28"], datetime(2024, 2, 1, 9, 0)),
        (["3/3/24", "4/4/24"], datetime(2024, 3, 3, 9, 0)),
    ],
)
def test_the_order_of_a_date_is_that_of_the_whole_file(
    tmp_path: Path, days: list[str], first: datetime
) -> None:
    found = read(tmp_path, "".join(f"{day}, 09:00 - Anna: hello\n" for day in days))
    assert isinstance(found[0], Message)
    assert found[0].sent == first


def test_an_order_that_cannot_be_known_is_asked_for(tmp_path: Path) -> None:
    text = "01/02/24, 09:00 - Anna: hello\n01/02/24, 09:01 - Ben: hi\n"
    with pytest.raises(UserError, match=r"_chat\.txt: .*'01/02/24, 09:00 -'; set chats\.date_order=dmy"):
        read(tmp_path, text)
    for order, month in (("dmy", 2), ("mdy", 1)):
        told = read_chats([str(tmp_path / "_chat.txt")], names=[], date_order=order)  # type: ignore[arg-type]
        assert {one.sent.month for one in told if isinstance(one, Message)} == {month}


def test_names_of_all_kinds(tmp_path: Path) -> None:
    names = ["~ Anna", "\u202a+49 151 000\u202c", "Dr: Anna", "🙈", "O'Neil, Ben - work", 'Ben "Bee"', "أنا"]
    lines = [f"05.03.24, 15:1{i} - {name}: it is {j}: 15:15\n" for i, name in enumerate(names) for j in "ab"]
    found = said(read(tmp_path, "".join(lines)))
    plain = ["~ Anna", "+49 151 000", "Dr: Anna", "🙈", "O'Neil, Ben - work", 'Ben "Bee"', "أنا"]
    assert [sender for sender, _, _ in found] == [name for name in plain for _ in "ab"]
    assert {text for _, text, _ in found} == {"it is a: 15:15", "it is b: 15:15"}


def test_what_the_app_says_may_hold_a_colon(tmp_path: Path) -> None:
    app = [
        'Anna changed the subject from "Trip: one" to "Trip: two"',
        "Anna changed the subject to: Trip",
        "Anna hat den Betreff zu „Reise: zwei“ geändert",
        "Anna создал(-а) группу «Поездка: два»",
        "Anna left",
        "Messages and calls are end-to-end encrypted: learn more",
    ]
    lines = [f"13.03.24, 15:15 - {line}\n" for line in ["Anna: I changed the subject: sorry", *app]]
    anna, *rest = said(read(tmp_path, "".join(lines)))
    assert anna == ("Anna", "I changed the subject: sorry", "text")
    assert rest == [(None, line, "system") for line in app]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IMG-20240313-WA0001.jpg (fichier joint)\nlook", ("Anna", "look", "media")),
        ("report.pdf (Datei angehängt)\nreport", ("Anna", "", "media")),
        (f"look {LRM}image omitted", ("Anna", "look", "media")),
        (f"report.pdf • {LRM}2 pages {LRM}document omitted", ("Anna", "", "media")),
        (f"{LRM}<Anhang: 00000012-PHOTO-2024-03-05-15-15-30.jpg>", ("Anna", "", "media")),
        ("Location: https://maps.google.com/?q=48.1,11.5", ("Anna", "", "media")),
        (f"{LRM}Missed voice call", (None, f"{LRM}Missed voice call".strip(LRM), "system")),
        ("null", ("Anna", "null", "system")),
        (".", ("Anna", ".", "text")),
        ("the image omitted a lot", ("Anna", "the image omitted a lot", "text")),
        ("Video call", ("Anna", "Video call", "text")),
        ("I love you <3", ("Anna", "I love you <3", "text")),
        ("hi @\u2068Ben\u2069!", ("Anna", "hi @Ben!", "text")),
    ],
)
def test_marks_in_the_place_of_a_text(
    tmp_path: Path, text: str, expected: tuple[str | None, str, str]
) -> None:
    assert said(read(tmp_path, f"13.03.24, 15:15 - Anna: {text}\n13.03.24, 15:16 - Ben: ok\n"))[0] == expected


def test_lines_that_fit_nothing_are_reported_with_their_number(tmp_path: Path) -> None:
    text = "exported by me\n\n13.03.24, 15:15 - Anna: hi\n31.02.24, 15:16 - Anna: lost\nlost too\n"
    text += "13.03.24, 15:17 - Ben: ok\n"
    found = read(tmp_path, text)
    unread = [one for one in found if isinstance(one, Unread)]
    assert [(one.line, one.text) for one in unread] == [
        (1, "exported by me"),
        (4, "31.02.24, 15:16 - Anna: lost"),
        (5, "lost too"),
    ]
    assert [one.text for one in found if isinstance(one, Message)] == ["hi", "ok"]


def test_bytes_that_are_no_text_lose_one_line(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_bytes(
        b"13.03.24, 15:15 - Anna: hello to all\n13.03.24, 15:16 - Anna: \xff\n13.03.24, 15:17 - Ben: ok\n"
    )
    first, lost, last = read_chats([str(tmp_path / "chat.txt")], names=[])
    assert isinstance(lost, Unread)
    assert (lost.line, first.text, last.text) == (2, "hello to all", "ok")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings_and_ends_of_lines(tmp_path: Path, encoding: str) -> None:
    text = EXPORTS["de"].replace("\n", "\r\n")
    (tmp_path / "_chat.txt").write_bytes(text.encode(encoding))
    found = list(read_chats([str(tmp_path / "_chat.txt")], names=[]))
    assert len(found) == 6
    assert found[2].text == "two\nand more"


def test_a_zip_as_the_phone_makes_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "WhatsApp Chat - Ben.zip", "w") as archive:
        archive.writestr("_chat.txt", EXPORTS["en-GB, iPhone"])
        archive.writestr("00000004-PHOTO-2024-03-13-00-05-00.jpg", b"\xff\xd8")
        archive.writestr("00000005-notes.txt", "a file somebody sent")
    *found, beside = read_chats([str(tmp_path / "WhatsApp Chat - Ben.zip")], names=["Anna"])
    assert isinstance(beside, Unread)
    assert beside.source.endswith(".zip/00000005-notes.txt")
    assert {one.chat for one in found if isinstance(one, Message)} == {"Ben"}
    assert len(found) == 6


@pytest.mark.parametrize(
    ("name", "chat"),
    [
        ("WhatsApp Chat with Ben.txt", "Ben"),
        ("WhatsApp Chat mit Ben & Co.txt", "Ben & Co"),
        ("Chat de WhatsApp con Ben.txt", "Ben"),
        ("Discussion WhatsApp avec Ben.txt", "Ben"),
        ("Conversa do WhatsApp com Ben.txt", "Ben"),
        ("Чат WhatsApp с Ben.txt", "Ben"),
        ("WhatsApp Chat - Ben/_chat.txt", "Ben"),
        ("holidays.txt", "holidays"),
    ],
)
def test_what_a_chat_is_called(name: str, chat: str) -> None:
    assert chat_name(ExportFile(Path(name))) == chat


PRINTABLE = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff")
LOOKS_DATED = st.sampled_from(
    ["5/3/2024: arrival", "[5.3.24] Ben: no", "12:30 - lunch", "1/1/24, 12:00 Ben: hm"]
)
LINE = st.one_of(st.text(PRINTABLE, max_size=20), LOOKS_DATED)
STAMPS = [
    "%d.%m.%y, %H:%M - ",
    "[%d/%m/%Y, %H:%M:%S] ",
    "[%Y-%m-%d, %H:%M] ",
    "%Y/%m/%d %H:%M - ",
    "%d %B %Y at %I:%M %p - ",
]


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    name = st.text(PRINTABLE, min_size=1, max_size=12).map(lambda name: " ".join(name.split()))
    names = draw(st.lists(name.filter(speakable), min_size=1, max_size=4, unique=True))
    texts = draw(st.lists(st.lists(LINE, min_size=1, max_size=4).map("\n".join), min_size=1, max_size=12))
    moments = st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1))
    times = sorted(
        moment.replace(second=0, microsecond=0)
        for moment in draw(st.lists(moments, min_size=12, max_size=12))
    )
    talk = [
        Message("_chat", draw(st.sampled_from(names)), sent, f"x{text}x", "text", "", 0)
        for sent, text in zip(times, texts, strict=False)
    ]
    # who begins all they say with "note: " cannot be told from somebody of that name
    for name in names:
        openings = [one.text.split("\n")[0].rpartition(": ")[0] for one in talk if one.sender == name]
        assume(len(openings) < 2 or not all(openings))
    return talk


def speakable(name: str) -> bool:
    """A name that is no half of a sentence of the app's, and holds nothing that phones put in themselves."""
    return bool(name) and ":" not in name and not set(name) & set('"“”„«»「」@\u2068') and name.isprintable()


@given(conversations(), st.sampled_from(STAMPS))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, talk: list[Message], stamp: str
) -> None:
    file = ExportFile(tmp_path_factory.mktemp("talk") / "_chat.txt")
    file.path.write_text("".join(whatsapp_lines(talk, stamp=stamp)), "utf-8")
    found = list(read_whatsapp(file, survey(file), "ymd" if stamp.strip("[").startswith("%Y") else "dmy"))
    assert [(one.sender, one.sent, one.text) for one in found if isinstance(one, Message)] == [
        (one.sender, one.sent, one.text) for one in talk
    ]
    assert len(found) == len(talk)


@given(st.text(max_size=60))
def test_any_line_may_be_looked_at_for_a_date(line: str) -> None:
    stamp = read_stamp(line)
    assert stamp is None or 0 < stamp.end <= len(line)
