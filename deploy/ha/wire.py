"""A slow wire: `python wire.py LISTEN TARGET DELAY_MS`, ports of 127.0.0.1.

What either side says arrives DELAY_MS later. Whoever kills this process cuts the wire: what was on its way is gone, as
when the machine dies that had it in its network card.
"""

import asyncio
import contextlib
import sys
from functools import partial

_PIECE = 65536


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Until the reader ends; in order, each piece when it is due."""
    loop, on_its_way = asyncio.get_running_loop(), asyncio.Queue()

    async def deliver() -> None:
        while (next_piece := await on_its_way.get()) is not None:
            due_s, piece = next_piece
            await asyncio.sleep(due_s - loop.time())
            writer.write(piece)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            on_its_way.put_nowait((loop.time() + delay_s, piece))
    on_its_way.put_nowait(None)
    with contextlib.suppress(OSError):
        await delivery
    writer.close()


async def _connect(target: int, delay_s: float, reader, writer) -> None:
    try:
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", target)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_pass_on(reader, target_writer, delay_s), _pass_on(target_reader, writer, delay_s))


async def _serve(listen: int, target: int, delay_ms: int) -> None:
    server = await asyncio.start_server(partial(_connect, target, delay_ms / 1000), "127.0.0.1", listen)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:4])))
