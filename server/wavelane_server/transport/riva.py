"""The service ``nvidia.riva.asr.RivaSpeechRecognition``."""

from typing import Any

import grpc
from google.protobuf.message import DecodeError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.bridge import Recognizer
from wavelane_server.transport.calls import abort, converse
from wavelane_server.transport.vendors import host_of, load, recognize

SERVICE = "nvidia.riva.asr.RivaSpeechRecognition"
PACKAGE = "riva.client"
"""Has the messages; the extra ``riva``."""


def handler(recognizer: Recognizer) -> Any:
    """The service's handler (``grpc.GenericRpcHandler``)."""

    async def streaming_recognize(requests: Any, context: Any) -> None:
        adapters = await load("riva.adapter")
        try:
            adapter = adapters.RivaAdapter(host_of(recognizer))
        except WavelaneError as error:
            await abort(recognizer, context, error)
            return
        await converse(recognizer, context, adapter, lambda request: len(request.audio_content), adapter.warnings)

    async def recognize_one(data: bytes, context: Any) -> Any:
        return await recognize(recognizer, context, await load("riva.recording"), data)

    async def configuration(data: bytes, context: Any) -> Any:
        recording = await load("riva.recording")
        try:
            return recording.served(data, recognizer.engine.spec)
        except DecodeError as fault:
            error = WavelaneError(ErrorCode.INVALID_MESSAGE, f"the bytes are no request of this method: {fault}")
        except WavelaneError as refused:
            error = refused
        await abort(recognizer, context, error)
        return None

    methods = {
        "StreamingRecognize": grpc.stream_stream_rpc_method_handler(streaming_recognize, _request, _bytes),
        "Recognize": grpc.unary_unary_rpc_method_handler(recognize_one, None, _bytes),
        "GetRivaSpeechRecognitionConfig": grpc.unary_unary_rpc_method_handler(configuration, None, _bytes),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def _request(data: bytes) -> Any:
    # Called once the service is loaded.
    from wavelane_server.adapters.riva.messages import StreamingRecognizeRequest

    return StreamingRecognizeRequest.FromString(data)


def _bytes(message: Any) -> Any:
    return message.SerializeToString()
