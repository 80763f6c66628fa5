// SPDX-License-Identifier: Apache-2.0

import Model

/// Connections for commands that block on the server, one command at a time each.
final class BlockingPool: Sendable {
    /// An open connection, the server at its other end, and the number by which that knows it.
    private struct Lane {
        let link: RedisLink
        let server: RedisConfiguration.Address
        let clientID: Int64
    }

    private struct State {
        var idle: [Lane] = []
        var busy: [ObjectIdentifier: (link: RedisLink, server: RedisConfiguration.Address)] = [:]
        var connecting = 0
        var isClosed = false
    }

    /// How long a blocked command may take to come back after the server was asked to unblock it.
    private static let unblockGrace: Duration = .seconds(1)

    private let configuration: RedisConfiguration
    private let shared: RedisLink
    private let finder: MasterFinder
    private let state = LockedBox(State())

    /// `shared` carries the requests to unblock; `finder` knows its server, to which all connections go.
    init(configuration: RedisConfiguration, shared: RedisLink, finder: MasterFinder) {
        self.configuration = configuration
        self.shared = shared
        self.finder = finder
    }

    /// Runs a command on a connection of its own. When the task is cancelled the server is asked to unblock
    /// it, and what it then answers is returned, so that no moved element goes unnoticed.
    func run(_ arguments: [RedisArgument], serverTimeout: Duration) async throws(RedisError) -> RedisValue {
        let lane = try await checkOut()
        let timeout = serverTimeout + configuration.commandTimeout
        // Cancellation is turned into CLIENT UNBLOCK, so the command itself runs where it does not arrive.
        let command = Task { () -> Result<RedisValue, RedisError> in
            do throws(RedisError) {
                return .success(try await lane.link.send(arguments, timeout: timeout))
            } catch {
                return .failure(error)
            }
        }
        let unblocking = LockedBox<Task<Void, Never>?>(nil)
        let isAnswered = LockedBox(false)
        let outcome = await withTaskCancellationHandler {
            let outcome = await command.value
            isAnswered.withLock { $0 = true }
            return outcome
        } onCancel: {
            unblocking.withLock { task in
                task = Task { await self.unblock(lane, isAnswered: isAnswered) }
            }
        }
        // A late request to unblock must not hit the connection's next command.
        await unblocking.withLock { $0 }?.value
        checkIn(lane, isHealthy: outcome.isSuccess)
        do throws(RedisError) {
            return try outcome.get()
        } catch  where error.code == .closed && Task.isCancelled {
            throw RedisError(.cancelled, "cancelled while a Redis command blocked")
        }
    }

    /// Closes all connections; blocked commands fail with `closed`.
    func close() {
        let links = state.withLock { state in
            state.isClosed = true
            let links = state.idle.map(\.link) + state.busy.values.map(\.link)
            state.idle = []
            return links
        }
        for link in links { link.close() }
    }

    /// Closes the connections to all servers but this one, after the connection to another one broke. Commands
    /// that block there fail with `connectionLost`: a server that hangs, or is cut off, tells them nothing.
    func leaveAll(but server: RedisConfiguration.Address) {
        let links = state.withLock { state in
            state.busy.values.filter { $0.server != server }.map(\.link)
        }
        for link in links { link.disconnect() }
    }

    private func unblock(_ lane: Lane, isAnswered: LockedBox<Bool>) async {
        let limit = ContinuousClock.now + Self.unblockGrace
        // On another server the number is somebody else's.
        while finder.serving == lane.server, !isAnswered.withLock({ $0 }), ContinuousClock.now < limit {
            do {
                let reply = try await shared.send(
                    ["CLIENT", "UNBLOCK", RedisArgument(lane.clientID)], timeout: Self.unblockGrace)
                if case .error(let text) = reply { throw RedisError(refusal: text) }
                if reply.int == 1 { return }
                // The server has not seen the command yet, or has answered it already.
                try await ContinuousClock().sleep(for: .milliseconds(2))
            } catch {
                break
            }
        }
        // No permission, or no server: the connection itself is the only thing left to end.
        if !isAnswered.withLock({ $0 }) { lane.link.close() }
    }

    private func checkOut() async throws(RedisError) -> Lane {
        enum Choice {
            case use(Lane)
            case connect
            case refuse(RedisError)
        }
        guard let server = finder.serving else {
            throw RedisError(.connectFailed, "there is no connection to a Redis master")
        }
        let limit = configuration.blockingConnections
        var stale: [RedisLink] = []
        let choice = state.withLock { state -> Choice in
            guard !state.isClosed else { return .refuse(RedisError(.closed, "the Redis client is closed")) }
            while let lane = state.idle.popLast() {
                guard lane.link.isOpen, lane.server == server else {
                    stale.append(lane.link)
                    continue
                }
                state.busy[ObjectIdentifier(lane.link)] = (lane.link, server)
                return .use(lane)
            }
            guard state.busy.count + state.connecting < limit else {
                return .refuse(
                    RedisError(.overloaded, "all \(limit) connections for blocking commands are in use"))
            }
            state.connecting += 1
            return .connect
        }
        for link in stale { link.close() }
        switch choice {
        case .use(let lane): return lane
        case .refuse(let error): throw error
        case .connect: return try await connect(to: server)
        }
    }

    private func connect(to server: RedisConfiguration.Address) async throws(RedisError) -> Lane {
        let link = RedisLink(configuration: configuration, isBlocking: true)
        let greeting: RedisValue
        do {
            greeting = try await link.connect(to: server, as: finder.role, greeting: ["CLIENT", "ID"])
        } catch {
            state.withLock { $0.connecting -= 1 }
            throw error
        }
        let isClosed = state.withLock { state in
            state.connecting -= 1
            state.busy[ObjectIdentifier(link)] = (link, server)
            return state.isClosed
        }
        if isClosed { link.close() }
        return Lane(link: link, server: server, clientID: greeting.int ?? 0)
    }

    private func checkIn(_ lane: Lane, isHealthy: Bool) {
        let keeps = state.withLock { state in
            state.busy[ObjectIdentifier(lane.link)] = nil
            guard isHealthy, !state.isClosed, lane.link.isOpen else { return false }
            state.idle.append(lane)
            return true
        }
        if !keeps { lane.link.close() }
    }
}

extension Result {
    fileprivate var isSuccess: Bool {
        if case .success = self { true } else { false }
    }
}
