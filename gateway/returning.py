"""The page that somebody asked for before they logged in: theirs afterwards, if it is one of our own.

It comes back from a browser, and anybody can make a link to our login; so only a path of ours is believed.
"""

import re
from urllib.parse import quote

from fastapi import Request

NEXT, HOME = "next", "/"
LONGEST = 1000
OWN = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path as HTTP has it: visible ASCII without a backslash, and no second slash, after which a host would stand.

Browsers take a tab and a line break out of an address and a backslash for a slash, so none of them is let through.
"""

NO_PAGE = re.compile(r"/(login|logout)([/?#]|$)")


def own_page(asked: str | None) -> str:
    """The page to go to after the login: the one that was asked for, or the start where it is none of ours."""
    if not asked or len(asked) > LONGEST or not OWN.fullmatch(asked) or NO_PAGE.match(asked):
        return HOME
    return asked


def asked_for(request: Request) -> str:
    """The page that the address of the login names."""
    return own_page(request.query_params.get(NEXT))


def login_for(request: Request) -> str:
    """The login that leads back to the page of this request."""
    query = f"?{request.url.query}" if request.url.query else ""
    page = own_page(f"{quote(request.url.path)}{query}")
    return "/login" if page == HOME else f"/login?{NEXT}={quote(page, safe='/')}"
