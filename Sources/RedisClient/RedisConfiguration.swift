// SPDX-License-Identifier: Apache-2.0

public import Model

/// Where Redis is and how long to wait for it.
public struct RedisConfiguration: Sendable {
    /// Where the server listens.
    public enum Address: Sendable, Equatable {
        case host(String, port: Int)
        case unixSocket(path: String)
    }

    /// Where the server is.
    public var address: Address
    /// `rediss://`: the certificate is checked against `trustRootsFile` or the system's roots, and against
    /// the host.
    public var usesTLS = false
    /// A PEM file of the only roots to trust (`?ca_file=` in the URL).
    public var trustRootsFile: String?
    /// The ACL user; nil for the default user.
    public var user: String?
    /// What AUTH sends; nil for none.
    public var password: SecretString?
    /// The number of the database, as for SELECT.
    public var database = 0

    /// The limit of one attempt to connect, TLS and AUTH included.
    public var connectTimeout: Duration = .seconds(5)
    /// The deadline of a command that names none. A connection on which nothing arrives for so long, though
    /// replies are due, counts as dead.
    public var commandTimeout: Duration = .seconds(5)
    /// How many blocking commands may run at once, each on a connection of its own.
    public var blockingConnections = 8
    /// How many commands may wait for their replies; beyond it they fail with `overloaded`.
    public var maxPendingCommands = 100_000
    /// How many bytes of commands may wait for their replies; beyond it they fail with `overloaded`.
    public var maxPendingBytes = 64 << 20

    /// Reads `redis://[user:password@]host[:port][/db]`, `rediss://` alike, or
    /// `unix://[user:password@]/path/to/socket[?db=n]`.
    ///
    /// Throws `invalidURL` with a text that does not quote the URL, as that may hold a password.
    public init(url: String) throws(RedisError) {
        let parts = try RedisURL(url)
        switch parts.scheme {
        case "unix": address = .unixSocket(path: parts.path)
        default: address = .host(parts.host, port: parts.port ?? 6_379)
        }
        usesTLS = parts.scheme == "rediss"
        trustRootsFile = parts.trustRootsFile
        user = parts.user
        password = parts.password.map(SecretString.init)
        database = parts.database
    }
}

extension RedisConfiguration {
    /// Whether the server is on this machine, as in development.
    public var isLocal: Bool {
        switch address {
        case .unixSocket: true
        case .host(let host, _): ["127.0.0.1", "::1", "localhost"].contains(host)
        }
    }
}
