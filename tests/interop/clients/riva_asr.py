"""nvidia-riva-client: ``riva_asr.py HOST:PORT JOBS``.

JOBS is JSON: an object of jobs by name, done one after the other. A job has ``method``, ``key``, ``file`` and
``options`` (of a ``RecognitionConfig``). Methods are ``stream``, ``recognize`` (the file as a whole), ``models``, and
``force``, which ends the utterance after the audio, and the stream after its final. Prints, each with the name of its
job, the responses, and at the end the status with its metadata.
"""

import json
import queue
import sys
from pathlib import Path

import grpc
import riva.client
from google.protobuf.json_format import MessageToDict, ParseDict
from riva.client.proto.riva_asr_pb2 import RivaSpeechRecognitionConfigRequest, StreamingRecognizeRequest

PIECE = 1_600


def show(job, response):
    print(json.dumps({"job": job, **MessageToDict(response, preserving_proto_field_name=True)}), flush=True)


def over(job, code="OK", message="", metadata=()):
    print(json.dumps({"job": job, "status": code, "message": message, "metadata": dict(metadata or ())}), flush=True)


def force(service, pieces, config):
    """As clients do that know by themselves when their user has finished."""
    requests = queue.SimpleQueue()
    requests.put(StreamingRecognizeRequest(streaming_config=config))
    for piece in pieces:
        requests.put(StreamingRecognizeRequest(audio_content=piece))
    requests.put(StreamingRecognizeRequest(runtime_config={"force_eou": "true"}))
    metadata = service.auth.get_auth_metadata()
    for response in service.stub.StreamingRecognize(iter(requests.get, None), metadata=metadata):
        yield response
        if response.results[0].is_final:
            requests.put(None)


def run(job, address):
    metadata = [["authorization", f"Bearer {job['key']}"], ["function-id", "1598d209-5e27-4d3c-8079-4751568b1081"]]
    service = riva.client.ASRService(riva.client.Auth(uri=address, metadata_args=metadata))
    audio = Path(job["file"]).read_bytes()
    config = ParseDict(job["options"], riva.client.RecognitionConfig())
    streaming = riva.client.StreamingRecognitionConfig(config=config, interim_results=True)
    pieces = (audio[at : at + PIECE] for at in range(0, len(audio), PIECE))
    match job["method"]:
        case "recognize":
            yield service.offline_recognize(audio, config)
        case "models":
            request = RivaSpeechRecognitionConfigRequest()
            yield service.stub.GetRivaSpeechRecognitionConfig(request, metadata=service.auth.get_auth_metadata())
        case "force":
            yield from force(service, pieces, streaming)
        case "stream":
            yield from service.streaming_response_generator(pieces, streaming)


def main(address, jobs):
    for name, job in json.loads(jobs).items():
        try:
            for response in run(job, address):
                show(name, response)
            over(name)
        except grpc.RpcError as error:
            over(name, error.code().name, error.details(), error.trailing_metadata())


if __name__ == "__main__":
    main(*sys.argv[1:])
