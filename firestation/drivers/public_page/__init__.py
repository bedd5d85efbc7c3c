"""The public page as static files, in a folder or a bucket."""

from firestation.drivers.public_page.publisher import StaticPage, open_public_page

__all__ = ["StaticPage", "open_public_page"]
