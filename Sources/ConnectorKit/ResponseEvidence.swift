// SPDX-License-Identifier: Apache-2.0

public import Model

/// A response that was not what a connector describes, as far as it is kept for an operator: its beginning, without secrets.
public struct ResponseEvidence: Sendable, Equatable {
    /// More of a body is not kept.
    public static let maximumBytes = 64 * 1_024

    /// The HTTP status, when it is known.
    public let status: Int?
    /// How long the body was.
    public let size: Int
    /// The beginning of the body.
    public let body: [UInt8]

    /// Keeps what may be kept of a body.
    public init(status: Int?, body: [UInt8], secrets: [SecretString]) {
        self.status = status
        size = body.count
        let known = secrets.map { Array($0.exposed.utf8) }.filter { $0.count >= 4 }.sorted {
            $0.count > $1.count
        }
        // Cut only after the secrets are gone: half a secret would not be found.
        var kept = Array(body.prefix(Self.maximumBytes + (known.first?.count ?? 0)))
        for secret in known { kept = Self.without(secret, kept) }
        self.body = Array(kept.prefix(Self.maximumBytes))
    }

    private static func without(_ secret: [UInt8], _ body: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(body.count)
        var index = 0
        while index < body.count {
            if body[index] == secret[0], body[index...].starts(with: secret) {
                result += "<secret>".utf8
                index += secret.count
            } else {
                result.append(body[index])
                index += 1
            }
        }
        return result
    }
}
