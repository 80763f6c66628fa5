// SPDX-License-Identifier: Apache-2.0

public import Logging
import Model
public import ServiceLifecycle

/// The HTTP side of a cluster: a public listener for providers and users' browsers, a private one for operators.
///
/// The parts add themselves by their routes; what is not routed is not there.
public struct Gateway: Service {
    /// Where a listener accepts connections; port 0 for any free one.
    public struct Address: Sendable {
        /// A name or an address.
        public let host: String
        /// From 0 to 65535.
        public let port: Int

        /// An address to listen on.
        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// The ports that the system gave.
    public struct Ports: Sendable, Equatable {
        /// For providers and browsers.
        public let publicPort: Int
        /// For operators.
        public let privatePort: Int
    }

    /// How long what has begun may still be answered after the gateway was asked to end.
    public static let drainLimit: Duration = .seconds(20)

    private let publicAddress: Address
    private let privateAddress: Address
    private let publicRoutes: [Route]
    private let privateRoutes: [Route]
    private let publicRoot: String
    private let health: GatewayHealth
    private let limits: ServerLimits
    private let metrics: GatewayMetrics
    private let logger: Logger
    private let started: @Sendable (Ports) -> Void

    /// `started` is called once, when both listeners accept connections. `publicURL` is how the world reaches the public one;
    /// a path in it is what a proxy takes away. `metrics` counts what both do.
    public init(
        publicAddress: Address, publicRoutes: [Route], publicURL: String? = nil, privateAddress: Address,
        privateRoutes: [Route],
        health: GatewayHealth, limits: ServerLimits = ServerLimits(),
        metrics: GatewayMetrics = GatewayMetrics(), logger: Logger,
        started: @escaping @Sendable (Ports) -> Void = { _ in }
    ) {
        self.publicAddress = publicAddress
        self.privateAddress = privateAddress
        self.publicRoutes = publicRoutes
        self.privateRoutes = privateRoutes
        publicRoot = publicURL.map(ConnectRoutes.path) ?? ""
        self.health = health
        self.limits = limits
        self.metrics = metrics
        self.logger = logger
        self.started = started
    }

    /// Answers until graceful shutdown: then what has begun is answered, and nothing else is accepted.
    public func run() async throws {
        let ports = LockedBox<(publicPort: Int?, privatePort: Int?)>((nil, nil))
        let started = started
        let notice: @Sendable (Int?, Int?) -> Void = { publicPort, privatePort in
            let both = ports.withLock { ports -> Ports? in
                ports = (publicPort ?? ports.publicPort, privatePort ?? ports.privatePort)
                guard let first = ports.publicPort, let second = ports.privatePort else { return nil }
                return Ports(publicPort: first, privatePort: second)
            }
            if let both { started(both) }
        }
        let listeners = [
            listener(.public, publicAddress, publicRoutes, root: publicRoot) { notice($0, nil) },
            listener(.private, privateAddress, privateRoutes, root: "") { notice(nil, $0) },
        ]
        var quiet = logger
        quiet.logLevel = .error
        try await ServiceGroup(services: [health] + listeners, logger: quiet).run()
    }

    private func listener(
        _ side: GatewayMetrics.Side, _ address: Address, _ routes: [Route], root: String,
        started: @escaping @Sendable (Int) -> Void
    ) -> Listener {
        Listener(
            host: address.host, port: address.port, routes: routes + health.routes, limits: limits,
            side: side, metrics: metrics, logger: logger, page: { PageFrame(root: root).problem($0, $1) },
            started: started)
    }
}
