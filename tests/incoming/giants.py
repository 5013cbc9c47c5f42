"""Messages that no mail server or reader writes."""

HEAD = b"From: eve@b.example\r\nTo: bounces@lantern.example\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"


def fifty_megabytes() -> bytes:
    return HEAD + b"\r\n" + (b"x" * 76 + b"\r\n") * (50_000_000 // 78)


def twelve_megabytes() -> bytes:
    return HEAD + b"\r\nDear editors, with a film\r\n" + (b"x" * 76 + b"\r\n") * (12_000_000 // 78)


def ten_thousand_parts() -> bytes:
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    return HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + part * 10_000 + b"--b--\r\n"


def thousand_levels() -> bytes:
    opened = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (at, at) for at in range(1_000)
    )
    closed = b"".join(b"--b%d--\r\n" % at for at in reversed(range(1_000)))
    return HEAD + opened + b"Content-Type: text/plain\r\n\r\nx\r\n" + closed
