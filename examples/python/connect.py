#!/usr/bin/env python3
"""Connect a network resource, ask about it, and disconnect it, through libmpr.so.

    LD_LIBRARY_PATH=$PWD/target/release python3 examples/python/connect.py '\\\\nas\\photos' Z: [USER]

A password, if one is needed, is read from standard input. Strings go in as UTF-16: Python's own wide
strings are UTF-32, so they are encoded by hand.
"""
import ctypes
import getpass
import sys

mpr = ctypes.CDLL("libmpr.so", use_errno=True)

DWORD = ctypes.c_uint32  # 32 bits; ctypes.wintypes.DWORD is 64 bits wide on Linux
RESOURCETYPE_DISK = 1
NO_ERROR = 0
BUFFER = 1024


class NETRESOURCEW(ctypes.Structure):
    _fields_ = [
        ("dwScope", DWORD),
        ("dwType", DWORD),
        ("dwDisplayType", DWORD),
        ("dwUsage", DWORD),
        ("lpLocalName", ctypes.c_void_p),
        ("lpRemoteName", ctypes.c_void_p),
        ("lpComment", ctypes.c_void_p),
        ("lpProvider", ctypes.c_void_p),
    ]


def wide(text):
    """A UTF-16 string with its terminator; None stays None."""
    return None if text is None else ctypes.create_string_buffer((text + "\0").encode("utf-16-le"))


def address(string):
    return None if string is None else ctypes.addressof(string)


def check(status, what):
    if status != NO_ERROR:
        sys.exit(f"{what}: error {status}, {reason() or 'no more is known'}")


def reason():
    """What a provider or notification library left as an explanation."""
    code, text, name = DWORD(), (ctypes.c_uint16 * BUFFER)(), (ctypes.c_uint16 * BUFFER)()
    mpr.WNetGetLastErrorW(ctypes.byref(code), text, BUFFER, name, BUFFER)
    return bytes(text).decode("utf-16-le").split("\0")[0]


def main():
    remote, local = sys.argv[1], sys.argv[2]
    user = sys.argv[3] if len(sys.argv) > 3 else None
    password = None
    if user is not None:
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")

    # Kept in variables: the structure holds addresses only.
    local_w, remote_w, user_w, password_w = wide(local), wide(remote), wide(user), wide(password)
    resource = NETRESOURCEW(
        dwType=RESOURCETYPE_DISK, lpLocalName=address(local_w), lpRemoteName=address(remote_w)
    )
    check(mpr.WNetAddConnection2W(ctypes.byref(resource), password_w, user_w, 0), f"connecting {remote}")

    size, name = DWORD(BUFFER), (ctypes.c_uint16 * BUFFER)()
    check(mpr.WNetGetConnectionW(local_w, name, ctypes.byref(size)), f"asking about {local}")
    print(local, "is", bytes(name).decode("utf-16-le").split("\0")[0])

    check(mpr.WNetCancelConnection2W(local_w, 0, 0), f"disconnecting {local}")
    print(local, "is free again")


main()
