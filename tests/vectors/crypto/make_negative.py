#!/usr/bin/python3
"""make_negative.py: writes negative.json beside itself, signatures, keys and ciphertexts that a verifier must refuse,
with the nearest ones that hold. In the manner of Project Wycheproof; every value is made here.

The arithmetic is done with Python integers (FIPS 186-5, 6.4; RFC 8017, 7.1 and 9.1); the system's `cryptography` makes
keys and multiplies points. Signing keys are thrown away; the key of the ciphertexts is rsa-2048.pkcs8.der."""

import hashlib
import json
import os
import pathlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).resolve().parent
MESSAGE = b"attack at dawn"


class Curve:
    def __init__(self, name, alg, curve, hash_name, width, p, n, b):
        self.name, self.alg, self.curve, self.hash, self.width = name, alg, curve, hash_name, width
        self.p, self.n, self.b = p, n, b

    def x_of(self, k):
        return ec.derive_private_key(k, self.curve()).public_key().public_numbers().x

    def raw(self, r, s):
        return (r.to_bytes(self.width, "big") + s.to_bytes(self.width, "big")).hex()

    def y_of(self, x):
        square = (x**3 - 3 * x + self.b) % self.p
        y = pow(square, (self.p + 1) // 4, self.p)
        return y if y * y % self.p == square else None


P256 = Curve("P-256", "ES256", ec.SECP256R1, "sha256", 32,
             0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
             0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
             0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B)
P384 = Curve("P-384", "ES384", ec.SECP384R1, "sha384", 48,
             2**384 - 2**128 - 2**96 + 2**32 - 1,
             0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
             0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF)


def number(data):
    return int.from_bytes(data, "big")


def ecdsa(curve):
    n, width = curve.n, curve.width
    private = ec.generate_private_key(curve.curve())
    d = private.private_numbers().private_value
    point = private.public_key().public_numbers()

    def sign(z, k=None):
        k = k or number(os.urandom(width)) % (n - 1) + 1
        r = curve.x_of(k) % n
        return r, pow(k, -1, n) * (z + r * d) % n

    def digest(name):  # the leftmost bits of it, as many as n has
        return number(hashlib.new(name, MESSAGE).digest()[:width])

    z = digest(curve.hash)
    r, s = sign(z)
    other = "sha384" if curve.hash == "sha256" else "sha256"
    good = curve.raw(r, s)
    wide = good[:2 * width].rjust(2 * width + 2, "0") + good[2 * width:].rjust(2 * width + 2, "0")
    r_1, s_1 = sign(z, 1)
    ones = 2**(8 * width) - 1
    small = number(os.urandom(width)) % (n - 1) + 1
    cases = [
        ("as it was signed", good, True),
        ("s replaced by n - s: ECDSA is malleable, so no signature is an identity", curve.raw(r, n - s), True),
        ("the nonce is 1, so r is the base point's x", curve.raw(r_1, s_1), True),
        ("r is zero", curve.raw(0, s)), ("s is zero", curve.raw(r, 0)), ("both are zero", curve.raw(0, 0)),
        ("r is one and s is zero", curve.raw(1, 0)), ("r is zero and s is one", curve.raw(0, 1)),
        ("both are one", curve.raw(1, 1)),
        ("r is n", curve.raw(n, s)), ("s is n", curve.raw(r, n)), ("both are n", curve.raw(n, n)),
        ("r is n + 1", curve.raw(n + 1, s)), ("s is n + 1", curve.raw(r, n + 1)),
        ("r is n - 1", curve.raw(n - 1, s)), ("s is n - 1", curve.raw(r, n - 1)),
        ("r is the field's prime", curve.raw(curve.p, s)), ("s is the field's prime", curve.raw(r, curve.p)),
        ("r is all ones", curve.raw(ones, s)), ("s is all ones", curve.raw(r, ones)),
        ("r is n - r", curve.raw(n - r, s)), ("s is negative, as two's complement", curve.raw(r, 2**(8 * width) - s)),
        ("r is negative, as two's complement", curve.raw(2**(8 * width) - r, s)),
        ("r and s are swapped", curve.raw(s, r)), ("s is inverted", curve.raw(r, pow(s, -1, n))),
        ("both numbers are the other way round in their bytes",
         (r.to_bytes(width, "little") + s.to_bytes(width, "little")).hex()),
        ("empty", ""), ("one byte", "00"), ("r alone", good[:2 * width]),
        ("the last byte is missing", good[:-2]), ("one byte follows", good + "00"), ("one byte precedes", "00" + good),
        ("both numbers are one byte wider", wide),
        ("as DER", utils.encode_dss_signature(r, s).hex()),
        ("of another message", curve.raw(*sign(z ^ 1))),
        ("of the same message hashed with " + other, curve.raw(*sign(digest(other)))),
        ("of the same message hashed with sha512", curve.raw(*sign(digest("sha512")))),
        ("by another key", curve.raw(r, s * 2 % n)),
    ]
    out = {
        "curve": curve.name, "alg": curve.alg, "message": MESSAGE.hex(),
        "x": point.x.to_bytes(width, "big").hex(), "y": point.y.to_bytes(width, "big").hex(),
        "cases": [dict(zip(("why", "signature", "holds"), (*one, False)[:3])) for one in cases],
    }
    # By digest: what is compared is the x of z/s G + r/s Q, which is no number if the sum is infinity.
    zero = sign(0)
    infinity = (-small * d) % n
    out["digests"] = [
        {"why": "the digest is zero", "digest": bytes(width).hex(), "signature": curve.raw(*zero), "holds": True},
        {"why": "the sum is the point at infinity", "digest": infinity.to_bytes(width, "big").hex(),
         "signature": curve.raw(small, s), "holds": False},
        {"why": "the digest is one byte short", "digest": bytes(width - 1).hex(), "signature": curve.raw(*zero),
         "holds": False},
        {"why": "the digest is one byte long", "digest": bytes(width + 1).hex(), "signature": curve.raw(*zero),
         "holds": False},
        {"why": "there is no digest", "digest": "", "signature": curve.raw(*zero), "holds": False},
    ]
    return out


def ec_keys(curve):
    width, p = curve.width, curve.p
    x = next(x for x in range(1, 100) if curve.y_of(x) is not None)
    y = curve.y_of(x)
    off = next(x for x in range(1, 100) if curve.y_of(x) is None)  # of the twist
    foreign = ec.generate_private_key(ec.SECP256K1()).public_key().public_numbers()

    def row(why, x, y, holds=False):
        return {"curve": curve.name, "why": why, "x": x, "y": y, "holds": holds}

    def wide(value):
        return value.to_bytes(width, "big").hex()

    return [
        row("a point with a small x", wide(x), wide(y), True),
        row("its negative", wide(x), wide(p - y), True),
        row("y is one more", wide(x), wide(y + 1)),
        row("x of the twist", wide(off), wide(y)),
        row("both are zero", wide(0), wide(0)),
        row("x is not reduced: x + p", wide(x + p), wide(y)),
        row("x is p", wide(p), wide(y)), row("y is p", wide(x), wide(p)),
        row("swapped", wide(y), wide(x)),
        row("a point of secp256k1", foreign.x.to_bytes(32, "big").rjust(width, b"\0").hex(),
            foreign.y.to_bytes(32, "big").rjust(width, b"\0").hex()),
        row("x without its leading zeros", x.to_bytes(1, "big").hex(), wide(y)),
        row("y is one byte wider", wide(x), "00" + wide(y)),
        row("no y", wide(x), ""), row("nothing", "", ""),
    ]


def spki(curve_oid, point):
    body = bytes.fromhex("06072a8648ce3d0201") + curve_oid
    algorithm = b"\x30" + bytes([len(body)]) + body
    bits = b"\x03" + bytes([len(point) + 1]) + b"\0" + point
    return (b"\x30" + bytes([len(algorithm) + len(bits)]) + algorithm + bits).hex()


def ec_spki():
    oid_256 = bytes.fromhex("06082a8648ce3d030107")
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    odd = numbers.y & 1
    foreign = ec.generate_private_key(ec.SECP256K1()).public_key().public_numbers()
    foreign_point = b"\4" + foreign.x.to_bytes(32, "big") + foreign.y.to_bytes(32, "big")
    rows = [
        ("uncompressed", oid_256, b"\4" + x + y, True),
        ("the point at infinity", oid_256, b"\0"),
        ("infinity with coordinates", oid_256, b"\0" + x + y),
        ("hybrid (RFC 5480, 2.2: must not be used)", oid_256, bytes([6 | odd]) + x + y),
        ("hybrid with the wrong parity", oid_256, bytes([7 ^ odd]) + x + y),
        ("of secp256k1", bytes.fromhex("06052b8104000a"), foreign_point),
        ("a point of secp256k1 called P-256", oid_256, foreign_point),
        ("cut", oid_256, b"\4" + x + y[:-1]), ("one byte more", oid_256, b"\4" + x + y + b"\0"),
        ("form 5", oid_256, b"\5" + x + y), ("no point", oid_256, b""),
        ("the curve is absent", bytes.fromhex("0500"), b"\4" + x + y),
    ]
    return [{"why": why, "spki": spki(oid, point), "holds": bool(holds)} for why, oid, point, *holds in rows]


def mgf1(seed, size, name):
    out = b""
    while len(out) < size:
        out += hashlib.new(name, seed + (len(out) // hashlib.new(name).digest_size).to_bytes(4, "big")).digest()
    return out[:size]


def xor(a, b):
    return bytes(one ^ two for one, two in zip(a, b))


def emsa_pss(bits, name="sha256", mgf=None, salt=32, trailer=0xBC, separator=1, padding=None, message=MESSAGE,
             set_top=False):
    """RFC 8017, 9.1.1, with everything in it open to change."""
    size = (bits + 7) // 8
    hash_size = hashlib.new(name).digest_size
    salt_bytes = os.urandom(salt)
    m_hash = hashlib.new(name, message).digest()
    h = hashlib.new(name, bytes(8) + m_hash + salt_bytes).digest()
    padding = padding if padding is not None else bytes(size - salt - hash_size - 2)
    block = padding + bytes([separator]) + salt_bytes
    masked = bytearray(xor(block, mgf1(h, len(block), mgf or name)))
    masked[0] &= 0xFF >> (8 * size - bits)
    if set_top:
        masked[0] |= 0x80
    return bytes(masked) + h + bytes([trailer])


def rsa_pss():
    size = 256
    while True:  # so that a signature and the modulus together fit into the modulus' size
        private = rsa.generate_private_key(65537, 2048)
        numbers = private.private_numbers()
        n, d = numbers.public_numbers.n, numbers.d
        if n < 2**2048 - 2**2046:
            break

    def power(block):
        return pow(number(block), d, n).to_bytes(size, "big")

    def sign(**changes):
        while True:
            block = emsa_pss(2047, **changes)
            if number(block) < n:
                return power(block).hex()

    good = sign()
    while number(bytes.fromhex(good)) + n >= 2**2048:
        good = sign()
    s = number(bytes.fromhex(good))
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(MESSAGE).digest()
    pkcs1 = power(b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info).hex()
    rows = [
        ("PS256", "as it was signed", good, True),
        ("PS384", "as it was signed with SHA-384", sign(name="sha384", salt=48), True),
        ("PS512", "as it was signed with SHA-512", sign(name="sha512", salt=64), True),
        *[("PS256", f"a salt of {salt} bytes", sign(salt=salt)) for salt in (0, 1, 20, 31, 33, 48, 64, 222)],
        ("PS384", "a salt of 32 bytes with SHA-384", sign(name="sha384", salt=32)),
        ("PS256", "MGF1 with SHA-1", sign(mgf="sha1")), ("PS256", "MGF1 with SHA-384", sign(mgf="sha384")),
        ("PS384", "MGF1 with SHA-256, hash SHA-384", sign(name="sha384", mgf="sha256", salt=48)),
        ("PS256", "hash SHA-512, first half of it", sign(name="sha512")),
        ("PS384", "of SHA-256 called PS384", good), ("PS256", "PKCS#1 v1.5 called PSS", pkcs1),
        ("RS256", "PKCS#1 v1.5", pkcs1, True), ("RS256", "PSS called PKCS#1 v1.5", good),
        ("PS256", "the trailer is not bc", sign(trailer=0xCC)), ("PS256", "the trailer is zero", sign(trailer=0)),
        ("PS256", "the byte before the salt is zero", sign(separator=0)),
        ("PS256", "the byte before the salt is two", sign(separator=2)),
        ("PS256", "padding that is not zero", sign(padding=bytes(size - 32 - 32 - 3) + b"\1")),
        ("PS256", "the topmost bit is set", sign(set_top=True)),
        ("PS256", "of another message", sign(message=b"attack at dusk")),
        ("PS256", "zero", bytes(size).hex()), ("PS256", "one", (1).to_bytes(size, "big").hex()),
        ("PS256", "n - 1", (n - 1).to_bytes(size, "big").hex()), ("PS256", "n", n.to_bytes(size, "big").hex()),
        ("PS256", "the signature and n: the same, not reduced", (s + n).to_bytes(size, "big").hex()),
        ("PS256", "negative", (n - s).to_bytes(size, "big").hex()),
        ("PS256", "a byte follows", good + "00"), ("PS256", "a zero precedes", "00" + good),
        ("PS256", "cut", good[:-2]), ("PS256", "empty", ""),
    ]
    return {
        "n": n.to_bytes(size, "big").hex(), "e": "010001", "message": MESSAGE.hex(),
        "cases": [{"alg": alg, "why": why, "signature": signature, "holds": bool(holds)}
                  for alg, why, signature, *holds in rows],
    }


def rsa_keys():
    n = rsa.generate_private_key(65537, 2048).private_numbers().public_numbers.n

    def row(why, n, e, holds=False):
        def octets(value):
            return value.to_bytes((value.bit_length() + 7) // 8, "big").hex()
        return {"why": why, "n": octets(n), "e": octets(e), "holds": holds}

    odd_512 = number(os.urandom(64)) | 2**511 | 1
    odd_1023 = (number(os.urandom(128)) | 2**1022 | 1) & (2**1023 - 1)
    return [
        row("65537", n, 65537, True), row("3", n, 3, True),
        row("exponent one: anything is its own signature", n, 1), row("exponent zero", n, 0),
        row("an even exponent", n, 65536), row("an exponent over 64 bits", n, 2**64 + 1),
        row("the exponent is the modulus", n, n),
        row("an even modulus", n + 1, 65537), row("modulus zero", 0, 65537), row("modulus one", 1, 65537),
        row("512 bits", odd_512, 65537), row("1023 bits", odd_1023, 65537),
        row("8200 bits", 2**8199 + 1, 65537),
    ]


def oaep():
    private = serialization.load_der_private_key((HERE / "rsa-2048.pkcs8.der").read_bytes(), None)
    public = private.public_key().public_numbers()
    n, e, size = public.n, public.e, 256

    def encrypt(name="sha256", mgf=None, label=b"", first=0, separator=1, zeros=None):
        """RFC 8017, 7.1.1, with everything in it open to change."""
        hash_size = hashlib.new(name).digest_size
        plain = b"a data key of thirty-two bytes.."
        zeros = zeros if zeros is not None else bytes(size - len(plain) - 2 * hash_size - 2)
        block = hashlib.new(name, label).digest() + zeros + bytes([separator]) + plain
        seed = os.urandom(hash_size)
        masked = xor(block, mgf1(seed, len(block), mgf or name))
        masked_seed = xor(seed, mgf1(masked, hash_size, mgf or name))
        while True:
            m = number(bytes([first]) + masked_seed + masked)
            if m < n:
                return pow(m, e, n).to_bytes(size, "big").hex()

    gap = size - 32 - 2 * 32 - 2
    good = encrypt()
    rows = [
        ("sha256", "as it was encrypted", good, True), ("sha1", "with SHA-1", encrypt("sha1"), True),
        ("sha384", "with SHA-384", encrypt("sha384"), True),
        ("sha256", "a label", encrypt(label=b"label")), ("sha256", "a label of one zero", encrypt(label=b"\0")),
        ("sha256", "encrypted with SHA-1", encrypt("sha1")), ("sha1", "encrypted with SHA-256", good),
        ("sha256", "MGF1 with SHA-1", encrypt(mgf="sha1")),
        ("sha1", "MGF1 with SHA-256", encrypt("sha1", mgf="sha256")),
        ("sha256", "the first byte is one", encrypt(first=1)),
        ("sha256", "no one behind the zeros", encrypt(separator=0)),
        ("sha256", "two behind the zeros", encrypt(separator=2)),
        ("sha256", "a two among the zeros", encrypt(zeros=bytes(gap - 1) + b"\2")),
        ("sha256", "zero", bytes(size).hex()), ("sha256", "one", (1).to_bytes(size, "big").hex()),
        ("sha256", "n - 1", (n - 1).to_bytes(size, "big").hex()), ("sha256", "n", n.to_bytes(size, "big").hex()),
        ("sha256", "all ones", "ff" * size), ("sha256", "cut", good[:-2]), ("sha256", "a byte follows", good + "00"),
        ("sha256", "a zero precedes", "00" + good), ("sha256", "empty", ""),
    ]
    return [{"hash": name, "why": why, "ciphertext": text, "holds": bool(holds)} for name, why, text, *holds in rows]


def gcm():
    key, nonce, aad, plain = os.urandom(32), os.urandom(12), b"header", b"sixteen bytes.. and then some more"
    sealed = AESGCM(key).encrypt(nonce, plain, aad)
    text, tag = sealed[:-16], sealed[-16:]
    empty_tag = AESGCM(key).encrypt(nonce, b"", b"")

    def flip(data, at):
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]

    def row(why, text=text, tag=tag, nonce=nonce, aad=aad, key=key, holds=False):
        return {"why": why, "key": key.hex(), "nonce": nonce.hex(), "aad": aad.hex(), "ciphertext": text.hex(),
                "tag": tag.hex(), "holds": holds}

    return [
        row("as it was sealed", holds=True),
        row("nothing sealed, no header", b"", empty_tag, aad=b"", holds=True),
        *[row(f"bit 0 of byte {at} of the tag", tag=flip(tag, at)) for at in (0, 7, 11, 12, 15)],
        row("the tag's last bit", tag=tag[:15] + bytes([tag[15] ^ 0x80])),
        row("the tag is zero", tag=bytes(16)), row("the tag is all ones", tag=b"\xff" * 16),
        row("the tag is backwards", tag=tag[::-1]), row("of nothing, for this text", tag=empty_tag),
        row("the text is flipped", flip(text, 0)), row("its last byte is flipped", flip(text, len(text) - 1)),
        row("the text is cut", text[:-1]), row("the text is gone", b""), row("a byte follows the text", text + b"\0"),
        row("the header is flipped", aad=flip(aad, 0)), row("the header is gone", aad=b""),
        row("a zero follows the header", aad=aad + b"\0"),
        row("the header moved into the text", aad + text, aad=b""),
        row("the nonce is flipped", nonce=flip(nonce, 11)), row("the nonce is zero", nonce=bytes(12)),
        row("another key", key=flip(key, 0)),
        row("nothing sealed, the tag is flipped", b"", flip(empty_tag, 15), aad=b""),
        row("nothing sealed, the tag is zero", b"", bytes(16), aad=b""),
    ]


def main():
    vectors = {
        "ecdsa": [ecdsa(P256), ecdsa(P384)],
        "ec_keys": ec_keys(P256) + ec_keys(P384),
        "ec_spki": ec_spki(),
        "rsa_pss": rsa_pss(),
        "rsa_keys": rsa_keys(),
        "rsa_oaep": oaep(),
        "aes_gcm": gcm(),
    }
    (HERE / "negative.json").write_text(json.dumps(vectors, indent=1) + "\n")


main()
