// SPDX-License-Identifier: Apache-2.0

public import Logging
import Model
import NIOCore
import NIOHTTP1
import NIOPosix
public import ServiceLifecycle

/// A provider that behaves like Stripe, Google Calendar, Slack and Gmail, with data from a seed, edits and
/// faults on demand.
///
/// Services are below `/stripe`, `/google-calendar`, `/slack` and `/gmail`, and their authorization servers with
/// them; `/oauth` is one of no provider. `/_control` makes edits and faults, and tells what there is; `/bench`
/// serves prepared bytes.
public final class SandboxServer: Service, Sendable {
    private enum Phase {
        case starting([CheckedContinuation<Int?, Never>])
        case listening(port: Int)
        case ended
    }

    private let configuration: SandboxConfiguration
    private let logger: Logger
    private let started: @Sendable (Int) -> Void
    private let phase = LockedBox(Phase.starting([]))

    /// `started` gets the port when the sandbox listens.
    public init(
        configuration: SandboxConfiguration, logger: Logger,
        started: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.logger = logger
        self.started = started
    }

    /// The port while it listens, else nil.
    public var boundPort: Int? {
        phase.withLock { if case .listening(let port) = $0 { port } else { nil } }
    }

    /// Waits until it listens, and returns the port. Throws when it ended before that.
    public func waitForPort() async throws(SandboxError) -> Int {
        let port: Int? = await withCheckedContinuation { continuation in
            let known: Int?? = phase.withLock { phase in
                switch phase {
                case .starting(let waiters):
                    phase = .starting(waiters + [continuation])
                    return nil
                case .listening(let port): return .some(port)
                case .ended: return .some(nil)
                }
            }
            if let known { continuation.resume(returning: known) }
        }
        guard let port else { throw SandboxError(.stopped, "the sandbox does not run") }
        return port
    }

    /// Serves until the process shuts down or the task is cancelled.
    public func run() async throws {
        // One thread: the state is behind one lock, and the machine is shared with what is tested.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            try await serve(on: group)
        } catch {
            enter(.ended)
            try await group.shutdownGracefully()
            throw error
        }
        enter(.ended)
        try await group.shutdownGracefully()
    }

    private func serve(on group: MultiThreadedEventLoopGroup) async throws {
        let state = LockedBox(SandboxState(configuration))
        let channel: any Channel
        do {
            channel = try await ServerBootstrap(group: group)
                .serverChannelOption(ChannelOptions.backlog, value: 1_024)
                .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                        try channel.pipeline.syncOperations.addHandler(SandboxHandler(state: state))
                    }
                }
                .bind(host: configuration.host, port: configuration.port).get()
        } catch {
            throw SandboxError(
                .cannotListen, "cannot listen on \(configuration.host):\(configuration.port): \(error)",
                underlying: error)
        }
        let port = channel.localAddress?.port ?? configuration.port
        logger.info("sandbox listens", metadata: ["host": "\(configuration.host)", "port": "\(port)"])
        enter(.listening(port: port))
        started(port)
        let sender = WebhookSender(state: state, logger: logger)
        await cancelWhenGracefulShutdown {
            await withTaskGroup { group in
                group.addTask { await sender.run() }
                group.addTask { await self.editUntilCancelled(state) }
            }
        }
        try await channel.close()
    }

    private func enter(_ next: Phase) {
        let waiters = phase.withLock { phase -> [CheckedContinuation<Int?, Never>] in
            defer { phase = next }
            guard case .starting(let waiters) = phase else { return [] }
            return waiters
        }
        let port: Int? = if case .listening(let port) = next { port } else { nil }
        for waiter in waiters { waiter.resume(returning: port) }
    }

    /// Makes the configured edits; ends when the task is cancelled.
    private func editUntilCancelled(_ state: LockedBox<SandboxState>) async {
        let rate = configuration.editsPerSecond
        while !Task.isCancelled {
            do {
                try await ContinuousClock().sleep(for: rate > 0 ? .seconds(1) / rate : .seconds(3_600))
            } catch {
                return
            }
            if rate > 0 { state.withLock { $0.store.editSomewhere() } }
        }
    }
}
