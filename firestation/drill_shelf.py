"""Keeping the results of drills, and reading them: nothing is believed that this station did not sign."""

import asyncio
from collections.abc import Sequence

from pydantic import ValidationError

from firestation.drill_report import DRILL_TYPE, FOLDER, DrillResult
from firestation.errors import Denied, InvalidInput
from firestation.ports import Shelf, Signer
from firestation.signing import PublicKey, verify
from firestation.wall import LONGEST_NAME, Doubt

AT_ONCE = 16
"""How many documents are fetched at once."""


async def keep(result: DrillResult, shelf: Shelf, signer: Signer, keys: Sequence[PublicKey]) -> str:
    """Keep it, once; its name. What was kept first stays, whoever tries again.

    Raises `Denied` when the name is taken by what this station has not signed.
    """
    sealed = await asyncio.to_thread(signer.seal, result.statement())
    if not await shelf.create(result.name, sealed):
        found = await shelf.get(result.name)
        if found is not None and isinstance(_believed(result.name, found, keys), str):
            raise Denied(f"{result.name} is taken by what this station has not signed; move it away")
    return result.name


async def read(
    shelf: Shelf, keys: Sequence[PublicKey], system: str | None = None
) -> tuple[tuple[DrillResult, ...], tuple[Doubt, ...]]:
    """The results, of one system or of all, the newest first; and what is not believed, which harms nothing else."""
    names = list(await shelf.names(f"{FOLDER}/{system}" if system else FOLDER))
    places = asyncio.Semaphore(AT_ONCE)

    async def fetched(name: str) -> bytes | None:
        async with places:
            return await shelf.get(name)

    results, doubts = list[DrillResult](), list[Doubt]()
    for name, content in zip(names, await asyncio.gather(*map(fetched, names)), strict=True):
        found = "it was there, and is gone" if content is None else _believed(name, content, keys)
        if isinstance(found, DrillResult):
            results.append(found)
        else:
            doubts.append(Doubt(name=name[:LONGEST_NAME], why=found[:4000]))
    results.sort(key=lambda each: (each.mark.ordered_at, each.mark.drill), reverse=True)
    return tuple(results), tuple(doubts)


def _believed(name: str, content: bytes, keys: Sequence[PublicKey]) -> DrillResult | str:
    """The result that this document is, or why it is none."""
    try:
        made = verify(content, keys)
    except InvalidInput as error:
        return error.problem
    if made.get("predicateType") != DRILL_TYPE:
        return f"it is signed, and no result of a drill: {str(made.get('predicateType'))[:100]}"
    try:
        result = DrillResult.model_validate(made.get("predicate"))
    except ValidationError as error:
        first = error.errors()[0]
        return f"it is signed, and cannot be read: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    if name != result.name:
        return f"it is signed for another name: {result.name}"
    return result if result.statement() == made else "it is signed, and its subject is another one"
