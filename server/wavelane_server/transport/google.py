"""The service ``google.cloud.speech.v1.Speech``."""

from typing import Any

import grpc

from wavelane.errors import WavelaneError
from wavelane_server.bridge import Recognizer
from wavelane_server.transport.calls import abort, converse
from wavelane_server.transport.vendors import host_of, load, recognize

SERVICE = "google.cloud.speech.v1.Speech"
PACKAGE = "google.cloud.speech_v1"
"""Has the messages; the extra ``google``."""

UNSERVED = (
    "LongRunningRecognize is not served: Recognize takes recordings of any length, and StreamingRecognize streams"
)


def handler(recognizer: Recognizer) -> Any:
    """The service's handler (``grpc.GenericRpcHandler``)."""

    async def streaming_recognize(requests: Any, context: Any) -> None:
        adapters = await load("google.adapter")
        try:
            adapter = adapters.GoogleAdapter(host_of(recognizer))
        except WavelaneError as error:
            await abort(recognizer, context, error, adapters.rejection(error))
            return
        await converse(recognizer, context, adapter, lambda request: len(request.audio_content), adapter.warnings)

    async def recognize_one(data: bytes, context: Any) -> Any:
        return await recognize(recognizer, context, await load("google.recording"), data)

    async def long_running_recognize(data: bytes, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, UNSERVED)

    methods = {
        "StreamingRecognize": grpc.stream_stream_rpc_method_handler(streaming_recognize, _request, _bytes),
        "Recognize": grpc.unary_unary_rpc_method_handler(recognize_one, None, _bytes),
        "LongRunningRecognize": grpc.unary_unary_rpc_method_handler(long_running_recognize),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def _request(data: bytes) -> Any:
    # Called once the service is loaded.
    from wavelane_server.adapters.google.messages import StreamingRecognizeRequest

    return StreamingRecognizeRequest.FromString(data)


def _bytes(message: Any) -> Any:
    return message.SerializeToString()
