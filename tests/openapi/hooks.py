"""Rules that the document states in words only, which Schemathesis can't know."""

import base64
import re

import schemathesis

PUBLIC_KEY = re.compile(r"U[A-Z2-7]{55}")


def crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def user_public_key(key: bytes) -> str:
    """A public key in the NATS format: prefix, 32 bytes, checksum, in base32."""
    data = bytes([20 << 3]) + key
    return base64.b32encode(data + crc16(data).to_bytes(2, "little")).decode()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives a key that matches the pattern a valid checksum, which a pattern can't describe."""
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("public_key"), str):
        if PUBLIC_KEY.fullmatch(body["public_key"]):
            key = base64.b32decode(body["public_key"])[1:33]
            case.body = {**body, "public_key": user_public_key(key)}
