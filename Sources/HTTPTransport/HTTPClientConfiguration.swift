// SPDX-License-Identifier: Apache-2.0

/// What all requests of a client share.
public struct HTTPClientConfiguration: Sendable {
    /// The addresses that connections may go to.
    public var addressPolicy: AddressPolicy = .publicOnly
    /// Sent as `User-Agent` unless a request has its own.
    public var userAgent = "lockstep"
    /// Requests beyond it wait for a connection; the wait counts in their timeouts.
    public var maxConnectionsPerHost = 64
    /// As above, over all hosts.
    public var maxConnections = 512
    /// Connections kept for later requests.
    public var maxIdleConnections = 128
    /// Requests under way, waiting ones included; one more fails with `overloaded`.
    public var maxRequests = 4096
    /// A peer that sends fewer bytes per second than this…
    public var lowSpeedLimit = 16
    /// …for this long, from the first byte of the request on, has timed out. Zero turns the check off.
    public var lowSpeedDuration: Duration = .seconds(30)
    /// A file of PEM certificates to trust instead of the system's.
    public var certificateAuthorities: String?

    /// The defaults: public addresses only, and the limits that stand at each property.
    public init() {}
}
