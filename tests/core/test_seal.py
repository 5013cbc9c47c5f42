"""Sealing. The golden values are the formats: they may be added to, never changed."""

import contextlib
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.crypto import seal

SECRET = bytes(range(32))
NONCE = bytes(range(100, 112))
ORGANIZATION = bytes(range(16))
PRIVATE = bytes(range(1, 33))
EPHEMERAL = bytes(range(33, 65))
WHERE = seal.where("audience_subscriber", "sealed", ORGANIZATION, 5)
VALUES = {0: "ada@example.org", 17: "Ада"}


def blob(number: int = 258, plain: bytes = b"plain") -> bytes:
    return seal.Key(number, SECRET).seal(plain, WHERE, NONCE)


# -- golden values ----------------------------------------


def test_where_is_laid_for_ever():
    assert WHERE == b"samizdat\0audience_subscriber\0sealed\0" + ORGANIZATION + b"\0\0\0\0\0\0\0\x05"


def test_packed_values_are_laid_for_ever():
    assert (
        seal.pack(VALUES)
        == (
            b"\x01" + b"\x00\x02"  # version, two values
            b"\x00\x00" + b"\x00\x00\x00\x0f"  # field 0 ends at 15
            b"\x00\x11" + b"\x00\x00\x00\x15"  # field 17 ends at 21
            b"ada@example.org\xd0\x90\xd0\xb4\xd0\xb0"
        )
    )


def test_a_blob_is_laid_for_ever():
    sealed = seal.Key(258, SECRET).seal(seal.pack(VALUES), WHERE, NONCE)
    assert sealed.hex() == (
        "04" + "0102" + "6465666768696a6b6c6d6e6f" + "491bdc6679e9569e31624ee8da657f9c26a3466ff30d9e02cbb4822789c475d8"
        "445d9070cc129b04fdf3783ffd42cacf1b5b98e7204a4128faf1acd6ef81a58a" + "b606de637347c9f6556baed478a4f453"
    )


def test_hashes_and_derived_keys_are_for_ever():
    assert seal.blind(SECRET, "ada@example.org").hex() == "c2ca8524eab3e540e13d4e2397be333a"
    assert seal.derive(SECRET, "secret-key").hex() == (
        "fae26f797bc8da4d4e0a47ab639204c07be694faf52d686a8c9e2c8530ef2656"
    )
    assert seal.keyed_hash(SECRET, "token").hex() == (
        "799ef35acf21da6109953721bac8e63fcef145cf7d97915acf277349c7282a9c"
    )


def test_a_box_is_laid_for_ever():
    assert seal.public_key(PRIVATE).hex() == "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c"
    box = seal.seal_to(seal.public_key(PRIVATE), b"hello", b"intake", EPHEMERAL, NONCE)
    assert box.hex() == (
        "02" + "5869aff450549732cbaaed5e5df9b30a6da31cb0e5742bad5ad4a1a768f1a67b" + "6465666768696a6b6c6d6e6f"
        "db58d66532" + "22bc384c3107033b6e17de5d9d5c6a41"
    )
    assert seal.open_sealed(PRIVATE, box, b"intake") == b"hello"


def test_a_wrapped_key_is_laid_for_ever():
    wrapped = seal.wrap(SECRET, b"secret", "org/data/1", NONCE)
    assert wrapped.hex() == ("03" + "6465666768696a6b6c6d6e6f" + "29d6dc2ad9f9" + "411a4c1dc848cdd1b2d32f099edd180f")
    assert seal.unwrap(SECRET, wrapped, "org/data/1") == b"secret"


def test_reserved_field_numbers_never_move():
    assert (seal.ADDRESS, seal.CONSENT_TIMES, seal.NOTES, seal.FIRST_FIELD) == (0, 1, 2, 16)


# -- blobs ------------------------------------------------


@given(st.binary(max_size=300), st.integers(0, 2**64 - 1), st.binary(min_size=12, max_size=12), st.integers(0, 65535))
def test_what_was_sealed_opens_bound_or_not(plain, number, nonce, key_number):
    key = seal.Key(key_number, SECRET)
    ring = seal.KeyRing({key_number: key})
    where = seal.where("t", "c", ORGANIZATION, number)
    sealed = key.seal(plain, where, nonce)
    assert key.bound("t", "c", ORGANIZATION).seal(plain, number, nonce) == sealed
    assert ring.open(sealed, where) == plain
    assert ring.bound("t", "c", ORGANIZATION).open(sealed, number) == plain
    assert len(sealed) == len(seal.padded(plain)) + seal.BLOB_OVERHEAD


@pytest.mark.parametrize(
    ("length", "filled"),
    [(0, 32), (6, 32), (31, 32), (32, 64), (2047, 2048), (2048, 2112), (5000, 5120), (1 << 20, (1 << 20) + (1 << 15))],
)
def test_the_length_of_a_blob_tells_little_of_what_is_in_it(length, filled):
    plain = b"\x80\0" * (length // 2) + b"\0" * (length % 2)
    assert len(seal.padded(plain)) == filled
    sealed = seal.Key(258, SECRET).seal(plain, WHERE, NONCE)
    assert seal.KeyRing({258: seal.Key(258, SECRET)}).open(sealed, WHERE) == plain


def test_addresses_of_any_usual_length_look_alike():
    sizes = {
        len(blob(plain=seal.pack({seal.ADDRESS: name + "@post.example"}))) for name in ("a", "ada", "ada.l", "ada.lov")
    }
    assert len(sizes) == 1


def test_a_ring_opens_blobs_of_old_keys_too():
    old, new = seal.Key(1, SECRET), seal.Key(2, SECRET[::-1])
    ring = seal.KeyRing({1: old, 2: new})
    opener = ring.bound("t", "c", ORGANIZATION)
    for key in (old, new):
        assert opener.open(key.bound("t", "c", ORGANIZATION).seal(b"x", 9, NONCE), 9) == b"x"


@pytest.mark.parametrize(
    "elsewhere",
    [
        ("audience_subscriber", "sealed", ORGANIZATION, 6),
        ("audience_subscriber", "notes", ORGANIZATION, 5),
        ("audience_consent", "sealed", ORGANIZATION, 5),
        ("audience_subscriber", "sealed", ORGANIZATION[::-1], 5),
    ],
)
def test_a_blob_moved_to_another_place_does_not_open(elsewhere):
    ring = seal.KeyRing({258: seal.Key(258, SECRET)})
    with pytest.raises(seal.SealBroken):
        ring.open(blob(), seal.where(*elsewhere))
    with pytest.raises(seal.SealBroken):
        ring.bound(*elsewhere[:3]).open(blob(), elsewhere[3])


@given(st.integers(0, len(blob()) - 1), st.integers(1, 255))
def test_one_changed_byte_is_noticed(at, change):
    torn = bytearray(blob())
    torn[at] ^= change
    ring = seal.KeyRing({258: seal.Key(258, SECRET)})
    with pytest.raises((seal.SealBroken, seal.KeyMissing)):
        ring.open(bytes(torn), WHERE)
    with pytest.raises((seal.SealBroken, seal.KeyMissing)):
        ring.bound("audience_subscriber", "sealed", ORGANIZATION).open(bytes(torn), 5)


@given(st.binary(max_size=60))
def test_no_bytes_crash_a_ring(junk):
    ring = seal.KeyRing({258: seal.Key(258, SECRET)})
    with pytest.raises(seal.SealError):
        ring.open(junk, WHERE)
    with pytest.raises(seal.SealError):
        ring.bound("t", "c", ORGANIZATION).open(junk, 5)


@pytest.mark.parametrize("length", range(len(blob())))
def test_a_cut_blob_does_not_open(length):
    with pytest.raises(seal.SealBroken):
        seal.KeyRing({258: seal.Key(258, SECRET)}).open(blob()[:length], WHERE)


def test_a_missing_key_is_named_by_number():
    with pytest.raises(seal.KeyMissing, match="number 258 ") as missing:
        seal.KeyRing({}).open(blob(), WHERE)
    assert missing.value.number == 258
    with pytest.raises(seal.KeyMissing):
        seal.KeyRing({}).bound("audience_subscriber", "sealed", ORGANIZATION).open(blob(), 5)


def test_another_key_of_the_same_number_does_not_open():
    with pytest.raises(seal.SealBroken):
        seal.KeyRing({258: seal.Key(258, SECRET[::-1])}).open(blob(), WHERE)


def test_a_secret_is_in_no_repr():
    assert repr(seal.Key(3, b"s" * 32)) == "Key(3)"
    assert repr(seal.KeyRing({3: seal.Key(3, b"s" * 32)})) == "Ring([3])"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: seal.Key(65536, SECRET),
        lambda: seal.Key(-1, SECRET),
        lambda: seal.Key(1, SECRET[:31]),
        lambda: seal.Key(1, SECRET).seal(b"", WHERE, NONCE[:11]),
        lambda: seal.Key(1, SECRET).bound("t", "c", ORGANIZATION).seal(b"", 1, NONCE + b"x"),
        lambda: seal.where("t\0", "c", ORGANIZATION, 1),
        lambda: seal.where("t", "", ORGANIZATION, 1),
        lambda: seal.where("t", "c", ORGANIZATION[:15], 1),
        lambda: seal.where("t", "c", ORGANIZATION, -1),
        lambda: seal.where("t", "c", ORGANIZATION, 2**64),
        lambda: seal.wrap(SECRET[:31], b"", "l", NONCE),
        lambda: seal.wrap(SECRET, b"", "l", NONCE[:8]),
        lambda: seal.seal_to(bytes(32), b"", b"", EPHEMERAL, NONCE),
        lambda: seal.seal_to(seal.public_key(PRIVATE), b"", b"", EPHEMERAL, NONCE[:8]),
        lambda: seal.SealPacker([1, 1]),
        lambda: seal.pack({65536: "x"}),
        lambda: seal.pack({-1: "x"}),
        lambda: seal.pack({1: "\ud800"}),
    ],
)
def test_what_has_no_room_in_the_layout_is_refused_with_a_sentence(ask):
    with pytest.raises(seal.NotSealable) as refused:
        ask()
    assert str(refused.value).endswith(".") and ":" in str(refused.value)


def test_the_value_that_could_not_be_packed_is_in_no_traceback():
    with pytest.raises(seal.NotSealable) as refused:
        seal.pack({0: "ada@example.org", 1: "\ud800"})
    assert "ada" not in str(refused.value) and refused.value.__suppress_context__


# -- values -----------------------------------------------

values = st.dictionaries(st.integers(0, 65535), st.text(max_size=40), max_size=40)


@given(values)
def test_what_was_packed_unpacks_without_the_empty_ones(given_values):
    packed = seal.pack(given_values)
    assert seal.unpack(packed) == {field: text for field, text in given_values.items() if text}


@given(values, st.integers(0, 65535))
def test_pick_reads_what_unpack_reads(given_values, another):
    packed = seal.pack(given_values)
    for field in [*given_values, another]:
        assert seal.pick(packed, field) == given_values.get(field, "")
    if fields := sorted(field for field, text in given_values.items() if text):
        layout, text = seal.first(packed)
        assert (seal.numbers(layout), text) == (fields, given_values[fields[0]])


@given(st.lists(st.integers(0, 6), unique=True), st.lists(st.text(min_size=0, max_size=600), min_size=7, max_size=7))
def test_pick_is_not_misled_by_offsets_that_look_like_numbers(fields, texts):
    packed = seal.pack({field: texts[field] for field in fields})
    for field in range(1500):
        assert seal.pick(packed, field) == (texts[field] if field in fields else "")


@given(st.lists(st.tuples(st.integers(0, 65535), st.text(max_size=9)), max_size=20, unique_by=lambda pair: pair[0]))
def test_a_packer_writes_the_same_bytes(pairs):
    packer = seal.SealPacker([field for field, _ in pairs])
    assert packer([text for _, text in pairs]) == seal.pack(dict(pairs))


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"\x01\x00\x02" + rest))
def test_bytes_that_no_pack_wrote_are_refused_or_read_but_never_crash(junk):
    for read in (seal.unpack, seal.first, lambda plain: seal.pick(plain, 0)):
        with contextlib.suppress(seal.SealBroken):
            read(junk)


# -- keyed hashes -----------------------------------------


@given(st.binary(max_size=100), st.binary(max_size=200))
def test_the_quick_mac_is_hmac_sha256(key, message):
    assert seal.mac_maker(key)(message) == hmac.new(key, message, hashlib.sha256).digest()


@given(st.text(st.characters(codec="utf-8")))
def test_a_blinder_gives_the_blind_index(text):
    assert seal.blinder(SECRET)(text) == seal.blind(SECRET, text)
    assert len(seal.blind(SECRET, text)) == 16


def test_another_key_or_purpose_gives_another_hash():
    assert seal.blind(SECRET, "a") != seal.blind(SECRET[::-1], "a")
    assert seal.derive(SECRET, "a") != seal.derive(SECRET, "b")
    assert len(seal.derive(SECRET, "a", 64)) == 64


# -- boxes and wrapped keys -------------------------------


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_a_box_opens_for_its_owner_and_purpose_alone(plain, info):
    box = seal.seal_to(seal.public_key(PRIVATE), plain, info, EPHEMERAL, NONCE)
    assert seal.open_sealed(PRIVATE, box, info) == plain
    for private, torn, about in [
        (EPHEMERAL, box, info),
        (PRIVATE, box, info + b"x"),
        (PRIVATE, box[:-1], info),
        (PRIVATE, b"\x01" + box[1:], info),
        (PRIVATE, box[:1] + bytes(32) + box[33:], info),
        (PRIVATE, b"", info),
    ]:
        with pytest.raises(seal.SealBroken):
            seal.open_sealed(private, torn, about)


@given(st.binary(max_size=80))
def test_a_wrapped_key_opens_with_its_instance_key_and_label_alone(secret):
    wrapped = seal.wrap(SECRET, secret, "one", NONCE)
    assert seal.unwrap(SECRET, wrapped, "one") == secret
    for key, torn, label in [
        (SECRET[::-1], wrapped, "one"),
        (SECRET, wrapped, "two"),
        (SECRET, wrapped[:-1], "one"),
        (SECRET, b"\x01" + wrapped[1:], "one"),
        (SECRET, b"", "one"),
    ]:
        with pytest.raises(seal.SealBroken):
            seal.unwrap(key, torn, label)


@pytest.mark.parametrize("error", [seal.SealBroken(), seal.KeyMissing(3)])
def test_an_error_is_one_sentence_that_says_what_to_do(error):
    assert str(error).endswith(".") and ":" in str(error) and error.code
