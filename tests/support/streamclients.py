"""Raw clients of both native transports, with one interface: no client library between the test and the wire."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed

from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_protos.wavelane.v1 import asr_pb2_grpc as pb_grpc


class WsClient:
    """One WebSocket."""

    kind = "websocket"

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.close_code: int | None = None
        self.close_reason = ""

    @classmethod
    async def open(cls, port: int, **options: Any) -> "WsClient":
        url = f"ws://127.0.0.1:{port}/v1/stream"
        return cls(await websocket_connect(url, compression=None, max_size=None, proxy=None, **options))

    async def message(self, message: dict[str, Any]) -> None:
        await self.text(json.dumps(message))

    async def text(self, text: str) -> None:
        await self._send(text)

    async def audio(self, data: bytes) -> None:
        await self._send(data)

    async def _send(self, data: str | bytes) -> None:
        # A connection that is over refuses; what it ended with is asserted by the reader.
        with suppress(ConnectionClosed):
            await self.socket.send(data)

    async def configure(self, **options: Any) -> dict[str, Any]:
        await self.message({"type": "configure", **options})
        ready = await self.next()
        assert ready["type"] == "ready", ready
        return ready

    async def end(self) -> None:
        await self.message({"type": "end"})

    async def next(self) -> dict[str, Any]:
        """The next event; a fake ``over`` at the end of the connection."""
        try:
            event = json.loads(await self.socket.recv())
        except ConnectionClosed as over:
            self.close_code = over.rcvd.code if over.rcvd else 1006
            self.close_reason = over.rcvd.reason if over.rcvd else ""
            return {"type": "over"}
        assert isinstance(event, dict)
        return event

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        while (event := await self.next())["type"] != "over":
            yield event

    async def rest(self) -> list[dict[str, Any]]:
        return [event async for event in self.events()]

    @property
    def status(self) -> str | int | None:
        return self.close_code

    def vanish(self) -> None:
        """Without a close frame."""
        self.socket.transport.abort()


class GrpcClient:
    """One call."""

    kind = "grpc"

    def __init__(self, channel: grpc.aio.Channel, call: Any) -> None:
        self.channel = channel
        self.call = call
        self.status: str | int | None = None
        self.details = ""
        self.metadata: dict[str, Any] = {}

    @classmethod
    async def open(cls, port: int, deadline_s: float | None = None, **options: Any) -> "GrpcClient":
        channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{port}",
            # Connections of their own, as different clients have.
            # With the smallest window a client that does not read holds the server up soon.
            options=[("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)],
        )
        call = pb_grpc.SpeechRecognizerStub(channel).Stream(timeout=deadline_s, **options)  # type: ignore[no-untyped-call]
        return cls(channel, call)

    async def request(self, request: pb.StreamRequest) -> None:
        # A call that is over refuses writes; what it ended with is asserted by the reader.
        with suppress(grpc.RpcError, grpc.aio.UsageError):
            await self.call.write(request)

    async def message(self, message: dict[str, Any]) -> None:
        fields = {name: value for name, value in message.items() if name != "type"}
        await self.request(ParseDict({message["type"]: _to_proto(fields)}, pb.StreamRequest()))

    async def audio(self, data: bytes) -> None:
        await self.request(pb.StreamRequest(audio=data))

    async def configure(self, **options: Any) -> dict[str, Any]:
        await self.message({"type": "configure", **options})
        ready = await self.next()
        assert ready["type"] == "ready", (ready, self.details)
        return ready

    async def end(self) -> None:
        await self.message({"type": "end"})

    async def next(self) -> dict[str, Any]:
        try:
            response = await self.call.read()
            if response is not grpc.aio.EOF:
                return _from_proto(response)
        except grpc.RpcError:
            pass
        self.status = (await self.call.code()).name
        self.details = await self.call.details()
        self.metadata = dict(await self.call.trailing_metadata() or ())
        await self.channel.close()
        return {"type": "over"}

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        while (event := await self.next())["type"] != "over":
            yield event

    async def rest(self) -> list[dict[str, Any]]:
        return [event async for event in self.events()]

    def vanish(self) -> None:
        self.call.cancel()


def _to_proto(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON of the WebSocket protocol to JSON of the protobuf messages."""
    made = dict(fields)
    if "encoding" in made:
        made["encoding"] = made["encoding"].upper()
    if "vad" in made and "kind" in made["vad"]:
        made["vad"] = {**made["vad"], "kind": made["vad"]["kind"].upper()}
    if "method" in made.get("decoding", {}):
        made["decoding"] = {**made["decoding"], "method": made["decoding"]["method"].upper()}
    if "gain" in made.get("audio", {}):
        made["audio"] = {**made["audio"], "gain": f"GAIN_{made['audio']['gain'].upper()}"}
    if "hotwords" in made:
        phrases = [{"phrase": each} if isinstance(each, str) else each for each in made["hotwords"]]
        made["hotwords"] = {"phrases": phrases}
    if "replace" in made.get("text", {}):
        made["text"] = {**made["text"], "replace": {"phrases": made["text"]["replace"]}}
    if "channel" in made:
        channel = made["channel"]
        made["channel"] = {"index": channel} if isinstance(channel, int) else {"mode": channel.upper()}
    return made


def _numbers(value: Any, name: str = "") -> Any:
    """JSON of protobuf writes 64-bit integers as strings."""
    if isinstance(value, dict):
        return {key: _numbers(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    return int(value) if name in ("at", "start", "end", "processed", "received") else value


def _from_proto(response: pb.StreamResponse) -> dict[str, Any]:
    kind = response.WhichOneof("response")
    body = getattr(response, kind)
    fields = MessageToDict(body, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    fields = _numbers(fields)
    if "reason" in fields:
        fields["reason"] = fields["reason"].removeprefix("REASON_").lower()
    if "problem" in fields:
        fields["problem"] = fields["problem"].lower().removeprefix("audio_problem_")
    if "intent" in fields:
        fields["intent"]["slots"] = {slot["name"]: slot["value"] for slot in fields["intent"]["slots"]}
    if "config" in fields:
        fields["config"] = _options(fields["config"])
    return {"type": kind, **fields}


def _options(config: dict[str, Any]) -> dict[str, Any]:
    """JSON of the protobuf options to that of the WebSocket protocol."""
    channel = config["channel"]
    made = {**config, "channel": channel["index"] if "index" in channel else channel["mode"].lower()}
    made["encoding"] = config["encoding"].lower()
    for part, name in (("vad", "kind"), ("text", "profanity"), ("decoding", "method"), ("audio", "noise_suppression")):
        if name in config.get(part, {}):
            made[part] = {**made[part], name: config[part][name].lower().removeprefix(f"{name}_")}
    if "gain" in config.get("audio", {}):
        made["audio"] = {**made["audio"], "gain": config["audio"]["gain"].lower().removeprefix("gain_")}
    if "hotwords" in config:
        made["hotwords"] = config["hotwords"].get("phrases", [])
    if "replace" in config.get("text", {}):
        made["text"] = {**made["text"], "replace": config["text"]["replace"].get("phrases", {})}
    return made
