// SPDX-License-Identifier: Apache-2.0

import Hummingbird

/// Sends a streamed answer through Hummingbird's writer.
final class WriterSink: ResponseSink, @unchecked Sendable {
    // @unchecked: the writer is used by one task at a time, the one that answers the request.
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) {
        self.writer = writer
    }

    func send(_ bytes: [UInt8]) async throws {
        try await writer.write(ByteBuffer(bytes: bytes))
    }

    func finish() async throws {
        try await writer.finish(nil)
    }
}
