// SPDX-License-Identifier: Apache-2.0

public import Model

/// Where Redis is and how long to wait for it.
public struct RedisConfiguration: Sendable {
    /// Where a server listens.
    public enum Address: Sendable, Hashable {
        case host(String, port: Int)
        case unixSocket(path: String)
    }

    /// How the server that takes our commands is found.
    public enum Topology: Sendable, Equatable {
        /// It is this one.
        case single(Address)
        /// It is the master that sentinels name.
        case sentinel(Sentinels)
        /// It is the node of a Redis Cluster that owns the slot of `slotKey`. The seeds are the first to be
        /// asked; any node knows.
        case cluster(seeds: [Address])
    }

    /// The sentinels of a master.
    public struct Sentinels: Sendable, Equatable {
        /// Where they listen, in the order in which they are asked.
        public var addresses: [Address]
        /// The name by which they know the master.
        public var master: String
        /// Their ACL user; nil for the default user.
        public var user: String?
        /// What AUTH sends to them; nil for none. It has nothing to do with the master's password.
        public var password: SecretString?
        /// Whether they, too, want TLS.
        public var usesTLS: Bool

        /// Sentinels that want no password, unless one is given.
        public init(
            addresses: [Address], master: String, user: String? = nil, password: SecretString? = nil,
            usesTLS: Bool = false
        ) {
            self.addresses = addresses
            self.master = master
            self.user = user
            self.password = password
            self.usesTLS = usesTLS
        }
    }

    /// Where the server is.
    public var topology: Topology
    /// For a cluster: what all keys start with. Its hash tag says which node is the one; without it the first
    /// redirect does.
    public var slotKey: String?
    /// `rediss://` and its like: the certificate is checked against `trustRootsFile` or the system's roots,
    /// and against the host.
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
    public var connectTimeout: Duration = .seconds(3)
    /// The deadline of a command that names none.
    public var commandTimeout: Duration = .seconds(5)
    /// A connection on which nothing arrives for so long, though replies are due, counts as dead. Shorter than
    /// the deadline of a command, so that those that come meanwhile may still go out on a new connection.
    var stallTimeout: Duration { min(commandTimeout, .milliseconds(2_500)) }
    /// How many blocking commands may run at once, each on a connection of its own.
    public var blockingConnections = 8
    /// How many commands may wait for their replies; beyond it they fail with `overloaded`.
    public var maxPendingCommands = 100_000
    /// How many bytes of commands may wait for their replies; beyond it they fail with `overloaded`.
    public var maxPendingBytes = 64 << 20

    /// Reads one of these, each with an optional `user:password@` or `:password@` before the first host:
    ///
    /// - `redis://host[:port][/db]`
    /// - `unix:///path/to/socket[?db=n]`
    /// - `redis+sentinel://host[:port],host[:port],.../MASTER[/db]`, where the credentials are those of the
    ///   master, and `?sentinel_user=`, `?sentinel_password=` those of the sentinels
    /// - `redis+cluster://host[:port],host[:port],...`
    ///
    /// With `rediss` for `redis` all of it is TLS, except the sentinels with `?sentinel_tls=no`.
    ///
    /// Throws `invalidURL` with a text that does not quote the URL, as that may hold a password. `keyPrefix`
    /// is what all keys start with, see `slotKey`.
    public init(url: String, keyPrefix: String? = nil) throws(RedisError) {
        let parts = try RedisURL(url)
        usesTLS = parts.usesTLS
        switch parts.kind {
        case .server: topology = .single(parts.addresses(defaultPort: 6_379)[0])
        case .socket: topology = .single(.unixSocket(path: parts.path))
        case .cluster: topology = .cluster(seeds: parts.addresses(defaultPort: 6_379))
        case .sentinel:
            topology = .sentinel(
                Sentinels(
                    addresses: parts.addresses(defaultPort: 26_379), master: parts.master,
                    user: parts.sentinelUser, password: parts.sentinelPassword.map(SecretString.init),
                    usesTLS: parts.sentinelUsesTLS ?? parts.usesTLS))
        }
        slotKey = keyPrefix
        trustRootsFile = parts.trustRootsFile
        user = parts.user
        password = parts.password.map(SecretString.init)
        database = parts.database
    }
}

extension RedisConfiguration {
    /// Whether the server is on this machine, as in development. Sentinels and clusters are for servers that
    /// are not.
    public var isLocal: Bool {
        switch topology {
        case .single(.unixSocket): true
        case .single(.host(let host, _)): ["127.0.0.1", "::1", "localhost"].contains(host)
        case .sentinel, .cluster: false
        }
    }

    /// Whether another server may take over, with what it has got by then.
    public var hasFailover: Bool {
        if case .single = topology { false } else { true }
    }
}

extension RedisConfiguration.Address: CustomStringConvertible {
    /// `host:port` or the path.
    public var description: String {
        switch self {
        case .host(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unixSocket(let path): path
        }
    }
}
