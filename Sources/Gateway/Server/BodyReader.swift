// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Model

/// Reads bodies of requests within the limits.
struct BodyReader: Sendable {
    private let limits: ServerLimits
    /// The bytes of all bodies that are held now.
    private let held = LockedBox(0)

    init(limits: ServerLimits) {
        self.limits = limits
    }

    /// Runs `body` with the bytes of a request's body, which count as held until it returns.
    ///
    /// Refuses what is compressed: what a few bytes grow into is known only when it is too late.
    func withBody<Result>(
        of request: Request, _ body: ([UInt8]) async throws -> Result
    ) async throws -> Result {
        if let coding = request.headers[.contentEncoding], coding.lowercased() != "identity" {
            throw Problem(
                415, "compressed_body", "A body is sent as it is, without Content-Encoding.",
                headers: [("Accept-Encoding", "identity")], closesConnection: true)
        }
        let declared = request.headers[.contentLength].flatMap { Int($0) }
        if let declared, declared > limits.bodyBytes { throw tooLarge }
        var bytes: [UInt8] = []
        defer {
            let count = bytes.count
            held.withLock { $0 -= count }
        }
        for try await piece in request.body {
            guard bytes.count + piece.readableBytes <= limits.bodyBytes else { throw tooLarge }
            let isRoom = held.withLock { held in
                guard held + piece.readableBytes <= limits.bufferedBytes else { return false }
                held += piece.readableBytes
                return true
            }
            guard isRoom else {
                throw Problem(
                    503, "busy", "Too many requests are being read. Try again in a moment.",
                    headers: [("Retry-After", "1")], closesConnection: true)
            }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        if let declared, declared != bytes.count {
            throw Problem(400, "truncated_body", "The body ended early.", closesConnection: true)
        }
        return try await body(bytes)
    }

    private var tooLarge: Problem {
        Problem(
            413, "body_too_large", "A body has at most \(limits.bodyBytes) bytes.", closesConnection: true)
    }
}
