"""What moves bytes: WebSocket, gRPC and HTTP."""
