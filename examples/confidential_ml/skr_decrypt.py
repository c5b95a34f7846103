"""Opens in a confidential VM what encrypt_data.py encrypted: AzureAttestSKR attests, has the vault release its key,
and unwraps the data key with it; the data is decrypted in memory."""

import base64
import io
import os
import pathlib
import subprocess

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def unwrap_dek(wrapped_key_path, attest_url, key_kid):
    """unwrap_dek returns the data key. It takes root: the evidence comes from the machine's TPM."""
    wrapped = base64.b64encode(pathlib.Path(wrapped_key_path).read_bytes()).decode()
    told = subprocess.run(
        ["sudo", "-E", os.path.expanduser("~/AzureAttestSKR"), "-a", attest_url, "-k", key_kid, "-c", "imds",
         "-s", wrapped, "-u"], stdout=subprocess.PIPE, check=True).stdout
    # The key may end in the byte of a line's end; the program may add one.
    data_key = told if len(told) == 32 else told.removesuffix(b"\n")
    if len(data_key) != 32:
        raise RuntimeError(f"the data key has {len(data_key)} bytes, not 32")
    return data_key


def decrypt_to_memory(enc_path, dek):
    """decrypt_to_memory returns the data as a file in memory."""
    encrypted = pathlib.Path(enc_path).read_bytes()
    return io.BytesIO(AESGCM(dek).decrypt(encrypted[:12], encrypted[12:], None))
