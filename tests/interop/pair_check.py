#!/usr/bin/python3
"""Seals and opens the tutorial's pair of files with Python's `cryptography`, as the tutorial does.

    pair_check.py seal --key PUBLIC.pem  --in PLAIN --enc OUT.enc --wrapped OUT.key [--alg ALG]
    pair_check.py open --key PRIVATE.pem --enc IN.enc --wrapped IN.key --out PLAIN  [--alg ALG]

encrypt_file and decrypt_to_memory are the functions of the tutorial's encrypt_data.py and
skr_decrypt.py. Only the wrapping of the data key, which the tutorial leaves to Key Vault, is done
here with an RSA key in PEM form: ALG is rsa1_5 (the tutorial's choice, the default) or rsa-oaep-256.
"""

import argparse
import io
import os
import sys
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CHUNK_SIZE = 8 * 1024 * 1024


def encrypt_file(src_path, enc_path, dek):
    nonce = os.urandom(12)
    encryptor = Cipher(algorithms.AES(dek), modes.GCM(nonce)).encryptor()
    with src_path.open("rb") as fin, enc_path.open("wb") as fout:
        fout.write(nonce)
        while True:
            chunk = fin.read(CHUNK_SIZE)
            if not chunk:
                break
            fout.write(encryptor.update(chunk))
        fout.write(encryptor.finalize())
        fout.write(encryptor.tag)


def decrypt_to_memory(enc_path, dek):
    with open(enc_path, "rb") as f:
        nonce = f.read(12)
        f.seek(-16, os.SEEK_END)
        tag = f.read(16)
        f.seek(12)
        ciphertext = f.read(os.path.getsize(enc_path) - 12 - 16)
    decryptor = Cipher(algorithms.AES(dek), modes.GCM(nonce, tag)).decryptor()
    plaintext = decryptor.update(ciphertext) + decryptor.finalize()
    return io.BytesIO(plaintext)


def padding_of(alg):
    if alg == "rsa1_5":
        return padding.PKCS1v15()
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def seal(args):
    key = serialization.load_pem_public_key(Path(args.key).read_bytes())
    dek = os.urandom(32)
    encrypt_file(Path(args.input), Path(args.enc), dek)
    Path(args.wrapped).write_bytes(key.encrypt(dek, padding_of(args.alg)))


def open_pair(args):
    key = serialization.load_pem_private_key(Path(args.key).read_bytes(), None)
    dek = key.decrypt(Path(args.wrapped).read_bytes(), padding_of(args.alg))
    if len(dek) != 32:
        raise ValueError(f"DEK length is {len(dek)} bytes, expected 32")
    Path(args.out).write_bytes(decrypt_to_memory(args.enc, dek).getbuffer())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["seal", "open"])
    parser.add_argument("--key", required=True)
    parser.add_argument("--enc", required=True)
    parser.add_argument("--wrapped", required=True)
    parser.add_argument("--in", dest="input")
    parser.add_argument("--out")
    parser.add_argument("--alg", choices=["rsa1_5", "rsa-oaep-256"], default="rsa1_5")
    args = parser.parse_args()
    try:
        seal(args) if args.action == "seal" else open_pair(args)
    except (InvalidTag, ValueError) as error:
        sys.exit(f"{args.action}: {type(error).__name__} {error}")


if __name__ == "__main__":
    main()
