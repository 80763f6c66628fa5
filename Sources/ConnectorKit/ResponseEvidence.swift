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
        self.body = Redaction.beginning(of: body, bytes: Self.maximumBytes, without: secrets)
    }
}
