// SPDX-License-Identifier: Apache-2.0

import Model
import NIOCore
import NIOPosix
import NIOSSL

extension RedisLink {
    /// What a server has to be.
    enum Role {
        case any
        /// A replica, which would refuse writes and answer reads with old values, is no server for us.
        case master
    }

    /// Opens a channel to `address`: name resolution, TLS, AUTH, SELECT, a look at the server's role where one
    /// is wanted, and `greeting`, all within the connect timeout.
    ///
    /// Returns the reply to the greeting, which also proves that the server has its data loaded.
    func connect(
        to address: RedisConfiguration.Address, as role: Role = .any, greeting: [RedisArgument]
    ) async throws(RedisError) -> RedisValue {
        let promise = eventLoop.makePromise(of: [RedisValue].self)
        do {
            let bootstrap = try bootstrap(address, role, handshake: handshake(role, greeting), promise)
            let connecting =
                switch address {
                case .host(let host, let port): bootstrap.connect(host: host, port: port)
                case .unixSocket(let path): bootstrap.connect(unixDomainSocketPath: path)
                }
            connecting.whenFailure { promise.fail($0) }
            let limit = eventLoop.scheduleTask(in: TimeAmount(configuration.connectTimeout)) {
                promise.fail(RedisError(.connectFailed, "it did not answer in time"))
                connecting.whenSuccess { $0.close(promise: nil) }
            }
            defer { limit.cancel() }
            return try await promise.futureResult.get().last ?? .null
        } catch {
            promise.fail(error)
            let reason = (error as? RedisError)?.message ?? String(describing: error)
            throw RedisError(.connectFailed, "cannot connect to Redis at \(address): \(reason)")
        }
    }

    private func handshake(_ role: Role, _ greeting: [RedisArgument]) -> [[RedisArgument]] {
        var commands: [[RedisArgument]] = []
        if let password = configuration.password {
            let user = configuration.user.map { [RedisArgument($0)] } ?? []
            commands.append(["AUTH"] + user + [RedisArgument(password.exposed)])
        }
        if configuration.database != 0 { commands.append(["SELECT", RedisArgument(configuration.database)]) }
        if role == .master { commands.append(["ROLE"]) }
        return commands + [greeting]
    }

    private static func requireMaster(_ replies: [RedisValue]) throws(RedisError) {
        let role = replies.dropLast().last?.array?.first?.text
        guard role == "master" else {
            throw RedisError(.connectFailed, "it is no master, its role is \(role ?? "unknown")")
        }
    }

    private func bootstrap(
        _ address: RedisConfiguration.Address, _ role: Role, handshake: [[RedisArgument]],
        _ promise: EventLoopPromise<[RedisValue]>
    ) throws -> ClientBootstrap {
        let tls = configuration.usesTLS ? try tlsContext() : nil
        let serverName: String? =
            if case .host(let host, _) = address, !host.isIPAddress { host } else { nil }
        return ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: serverName))
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        RedisChannelHandler(
                            link: self, handshake: handshake,
                            check: { replies throws(RedisError) in
                                if role == .master { try Self.requireMaster(replies) }
                            }, promise: promise))
                }
            }
    }

    private func tlsContext() throws -> NIOSSLContext {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let file = configuration.trustRootsFile { tls.trustRoots = .file(file) }
        return try NIOSSLContext(configuration: tls)
    }
}

extension String {
    /// Certificates name hosts; for a literal address there is no server name to send.
    fileprivate var isIPAddress: Bool {
        do {
            _ = try SocketAddress(ipAddress: self, port: 0)
            return true
        } catch {
            return false
        }
    }
}
