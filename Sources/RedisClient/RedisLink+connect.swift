// SPDX-License-Identifier: Apache-2.0

import Model
import NIOCore
import NIOPosix
import NIOSSL

extension RedisLink {
    /// Opens a channel: name resolution, TLS, AUTH, SELECT and `greeting`, all within the connect timeout.
    ///
    /// Returns the reply to the greeting, which also proves that the server has its data loaded.
    func connect(greeting: [RedisArgument]) async throws(RedisError) -> RedisValue {
        let promise = eventLoop.makePromise(of: [RedisValue].self)
        do {
            let bootstrap = try bootstrap(handshake: handshake + [greeting], promise: promise)
            let connecting =
                switch configuration.address {
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
            throw RedisError(.connectFailed, "cannot connect to Redis at \(place): \(reason)")
        }
    }

    private var place: String {
        switch configuration.address {
        case .host(let host, let port): "\(host):\(port)"
        case .unixSocket(let path): path
        }
    }

    private var handshake: [[RedisArgument]] {
        var commands: [[RedisArgument]] = []
        if let password = configuration.password {
            let user = configuration.user.map { [RedisArgument($0)] } ?? []
            commands.append(["AUTH"] + user + [RedisArgument(password.exposed)])
        }
        if configuration.database != 0 { commands.append(["SELECT", RedisArgument(configuration.database)]) }
        return commands
    }

    private func bootstrap(
        handshake: [[RedisArgument]], promise: EventLoopPromise<[RedisValue]>
    ) throws -> ClientBootstrap {
        let tls = configuration.usesTLS ? try tlsContext() : nil
        let serverName: String? =
            if case .host(let host, _) = configuration.address, !host.isIPAddress { host } else { nil }
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
                        RedisChannelHandler(link: self, handshake: handshake, promise: promise))
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
