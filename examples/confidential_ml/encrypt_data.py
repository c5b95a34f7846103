"""Encrypts a file for a key in Key Vault: FILE.csv becomes FILE.enc (nonce, ciphertext, tag of AES-256-GCM) and
FILE.key (the data key, wrapped with the vault's key by RSA1_5, as AzureAttestSKR unwraps it).

Usage: encrypt_data.py FILE VAULT KEY"""

import os
import pathlib
import sys

from azure.identity import DefaultAzureCredential
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    data, vault, key = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    data_key = AESGCM.generate_key(bit_length=256)
    nonce = os.urandom(12)
    encrypted = data.with_suffix(".enc")
    encrypted.write_bytes(nonce + AESGCM(data_key).encrypt(nonce, data.read_bytes(), None))
    print(f"{data.name} is encrypted: {encrypted.name}")

    vault_key = CryptographyClient(f"https://{vault}.vault.azure.net/keys/{key}", DefaultAzureCredential())
    wrapped = data.with_suffix(".key")
    wrapped.write_bytes(vault_key.wrap_key(KeyWrapAlgorithm.rsa1_5, data_key).encrypted_key)
    print(f"Its key is wrapped with {key}: {wrapped.name}")


if __name__ == "__main__":
    main()
