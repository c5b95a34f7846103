"""Sends to a service what a client sent, byte for byte."""

import http.client
import json
import socket
import ssl


def send(host, port, ca, method, path, query, headers, body):
    """send writes the request as it is given; returns the answer and its body, which is JSON."""
    lines = [f"{method} {path}{'?' if query else ''}{query} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    raw = "\r\n".join(lines + ["", body]).encode()
    context = ssl.create_default_context(cafile=str(ca))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        with context.wrap_socket(plain, server_hostname=host) as tls:
            tls.sendall(raw)
            answer = http.client.HTTPResponse(tls, method=method)
            answer.begin()
            return answer, json.loads(answer.read())
