"""The public page: what customers are told, as values; the files are rendered in `firestation.drivers.public_page`.

`part` is what one incident lets out, `page` the whole page, `feeds` the same for programs.
"""
