// SPDX-License-Identifier: Apache-2.0

public import Logging
import Model
public import ServiceLifecycle

/// A Redis server as all tasks of the process use it: one shared connection that pipelines by itself, and a
/// few connections for commands that block.
///
/// Nothing is connected before `run`. While there is no connection, commands wait until their deadlines. With
/// sentinels or a cluster the server is whichever is the master: the connections follow it, and commands that
/// a server refuses because it is not the one are sent again until their deadlines.
public final class RedisClient: Service, Sendable {
    let configuration: RedisConfiguration
    let finder: MasterFinder
    private let logger: Logger
    private let link: RedisLink
    private let pool: BlockingPool
    private let lastLeft = LockedBox<ContinuousClock.Instant?>(nil)

    /// The waits between attempts to connect: short at first, as a restarting Redis is back soon, and never so
    /// long that a Redis that came back waits for us.
    private static let reconnectPolicy = RetryPolicy(
        maxAttempts: .max, base: .milliseconds(50), cap: .seconds(1))

    /// A client that connects when `run` is called.
    public init(configuration: RedisConfiguration, logger: Logger) {
        let configuration = MasterFinder.dataConfiguration(configuration)
        self.configuration = configuration
        self.logger = logger
        finder = MasterFinder(configuration: configuration)
        link = RedisLink(configuration: configuration, isBlocking: false)
        pool = BlockingPool(configuration: configuration, shared: link, finder: finder)
    }

    /// Keeps the shared connection alive until graceful shutdown or cancellation; then closes everything.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await self.stayConnected()
        }
        pool.close()
        link.close()
    }

    /// Sends one command on the shared connection and returns its reply.
    ///
    /// Throws `serverError` for an error reply, `connectionLost` when the outcome is unknown, `timeout` after
    /// `deadline` (default: the configured command timeout). Cancelling the task gives up the reply, not the
    /// command, and leaves the connection and its other users alone.
    public func command(
        _ arguments: [RedisArgument], deadline: Duration? = nil
    ) async throws(RedisError) -> RedisValue {
        let timeout = deadline ?? configuration.commandTimeout
        guard finder.hasFailover else {
            return try await checked(link.send(arguments, timeout: timeout))
        }
        return try await following(arguments, timeout: timeout, isBlocking: false) {
            rest throws(RedisError) in
            try await link.send(arguments, timeout: rest)
        }
    }

    /// Sends one command that the server gets before every later one of this client, and does not wait for the reply.
    /// `failed` hears of an error, as `command` would throw it; cancelling the task changes nothing.
    ///
    /// With sentinels or a cluster it waits all the same, as the command may have to be sent again.
    public func post(
        _ arguments: [RedisArgument], failed: @escaping @Sendable (RedisError) -> Void
    ) async {
        guard !finder.hasFailover else {
            // Of nobody: in a cancelled task it would be given up before it is sent.
            await Task {
                do throws(RedisError) {
                    _ = try await self.command(arguments)
                } catch {
                    failed(error)
                }
            }.value
            return
        }
        link.post(arguments, timeout: configuration.commandTimeout) { outcome in
            do throws(RedisError) {
                _ = try self.checked(outcome.get())
            } catch {
                failed(error)
            }
        }
    }

    /// Runs a script by its SHA-1, and sends its source when the server does not know it (yet, or any more).
    public func eval(
        _ script: RedisScript, keys: [RedisArgument], arguments: [RedisArgument], deadline: Duration? = nil
    ) async throws(RedisError) -> RedisValue {
        let tail = [RedisArgument(keys.count)] + keys + arguments
        do throws(RedisError) {
            return try await command(["EVALSHA", RedisArgument(script.sha1)] + tail, deadline: deadline)
        } catch  where error.serverPrefix == "NOSCRIPT" {
            // Nothing ran. EVAL runs it and makes it known.
            return try await command(["EVAL", RedisArgument(script.source)] + tail, deadline: deadline)
        }
    }

    /// Sends a command that may block for `serverTimeout` (the timeout inside the command) on a connection of
    /// its own.
    ///
    /// Cancelling the task asks the server to unblock the command. The answer is returned all the same: null,
    /// or what the command got just before. Throws `overloaded` when all blocking connections are in use. A
    /// command that is sent again to another server blocks there for its whole timeout once more.
    public func blocking(
        _ arguments: [RedisArgument], serverTimeout: Duration
    ) async throws(RedisError) -> RedisValue {
        guard finder.hasFailover else {
            return try await checked(pool.run(arguments, serverTimeout: serverTimeout))
        }
        let timeout = serverTimeout + configuration.commandTimeout
        return try await following(arguments, timeout: timeout, isBlocking: true) { _ throws(RedisError) in
            try await pool.run(arguments, serverTimeout: serverTimeout)
        }
    }

    /// Leaves the server of the shared connection for another one.
    func leave() { link.leave() }

    private func checked(_ reply: RedisValue) throws(RedisError) -> RedisValue {
        guard case .error(let text) = reply else { return reply }
        let error = RedisError(refusal: text)
        // The server became a replica, or does not know us any more. Its address, or a new login, may lead further.
        if let prefix = error.serverPrefix, ["READONLY", "NOAUTH"].contains(prefix), mayLeave() {
            logger.warning("redis refuses; connecting again", metadata: ["error": "\(error)"])
            link.disconnect()
        }
        throw error
    }

    /// Once a second at most: where the address leads to a server that refuses as well, others still use the connection.
    private func mayLeave() -> Bool {
        lastLeft.withLock { last in
            if let last, ContinuousClock.now - last < .seconds(1) { return false }
            last = .now
            return true
        }
    }

    private func stayConnected() async {
        let policy = Self.reconnectPolicy
        var failures = 0
        var generator = SystemRandomNumberGenerator()
        while !Task.isCancelled {
            do {
                let server = try await connect()
                logger.debug("connected to redis", metadata: ["server": "\(server)"])
                failures = 0
                try await disconnected()
                // Left for another server: there is nothing to wait for.
                if finder.disconnected() { continue }
                pool.disconnectAll()
                if !Task.isCancelled { logger.warning("lost the connection to redis") }
            } catch {
                link.note(trouble: error as? RedisError ?? RedisError(.connectFailed, "\(error)"))
                failures += 1
                // One line per outage, not per attempt.
                if failures == 3 { logger.error("redis cannot be reached", metadata: ["error": "\(error)"]) }
            }
            let delay = policy.delay(afterAttempt: failures + 1, using: &generator)
            do { try await ContinuousClock().sleep(for: delay ?? .zero) } catch { return }
        }
    }

    private func connect() async throws(RedisError) -> RedisConfiguration.Address {
        let server = try await finder.locate()
        do throws(RedisError) {
            _ = try await link.connect(to: server, as: finder.role, greeting: ["PING"])
        } catch {
            finder.failed()
            throw error
        }
        if finder.connected(to: server) { pool.leaveAll(but: server) }
        return server
    }

    private func disconnected() async throws {
        try await withTaskCancellationHandler {
            try await link.waitUntilDisconnected()
        } onCancel: {
            link.close()
        }
    }
}
