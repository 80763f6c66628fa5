// SPDX-License-Identifier: Apache-2.0

/// What a listener accepts. Each limit keeps one sender from taking what all others need.
public struct ServerLimits: Sendable {
    /// The longest body; a longer one is answered with 413.
    public var bodyBytes = 1 << 20
    /// What all bodies that are being read may take together; beyond it a request is answered with 503.
    public var bufferedBytes = 64 << 20
    /// The longest header field.
    public var headerFieldBytes = 8 << 10
    /// The sum of all header fields of a request.
    public var headerBytes = 32 << 10
    /// The number of header fields.
    public var headerCount = 100
    /// How long the head of a request may take, and how long a connection may be idle between two requests.
    public var headTime: Duration = .seconds(10)
    /// How long a request may take from its head to the end of its body.
    public var bodyTime: Duration = .seconds(15)
    /// Connections at a time; more wait to be accepted.
    public var connections = 4_096

    /// The limits of a gateway.
    public init() {}
}
