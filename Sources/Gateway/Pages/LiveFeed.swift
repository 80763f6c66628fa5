// SPDX-License-Identifier: Apache-2.0

import Model
import ServiceLifecycle

/// Sends a part of a page whenever it has changed, as server-sent events (HTML, 9.2).
enum LiveFeed {
    /// Feeds at a time in this process; each asks the ledger once a second.
    private static let limit = 64
    /// A browser connects anew afterwards, perhaps to another gateway.
    private static let lifetime: Duration = .seconds(600)
    private static let pulse: Duration = .seconds(15)
    private static let interval: Duration = .seconds(1)
    private static let open = LockedBox(0)

    /// Feeds that are open in this process.
    static var openCount: Int { open.withLock { $0 } }

    /// An answer that says nothing, but when to ask again: a browser would give up for good at any other status.
    static let later = GatewayResponse(
        status: 200, headers: [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")],
        body: Array("retry: 5000\n\n".utf8))

    static func response(_ render: @escaping @Sendable () async throws -> HTML) -> GatewayResponse {
        GatewayResponse(
            status: 200, headers: [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")]
        ) { sink in
            let isRoom = open.withLock { count in
                guard count < limit else { return false }
                count += 1
                return true
            }
            guard isRoom else {
                // The page stays as it is, and asks again later.
                try await sink.send(Array("retry: 30000\n\n".utf8))
                return
            }
            defer { open.withLock { $0 -= 1 } }
            do {
                try await cancelWhenGracefulShutdown { try await feed(sink, render) }
            } catch is CancellationError {
                // The gateway ends.
            }
        }
    }

    private static func feed(
        _ sink: any ResponseSink, _ render: @Sendable () async throws -> HTML
    ) async throws {
        let end = ContinuousClock.now + lifetime
        var (last, sent) = ("", ContinuousClock.now)
        while ContinuousClock.now < end {
            let text: String
            do {
                text = try await render().text
            } catch let problem as Problem where problem.status < 500 {
                // What the page is about is not there any more.
                return
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                // A trouble that passes: the page stays as it is.
                text = last
            }
            if text != last {
                let lines = text.split(whereSeparator: \.isNewline).map { "data: \($0)\n" }
                try await sink.send(Array((lines.joined() + "\n").utf8))
                (last, sent) = (text, .now)
            } else if sent.duration(to: .now) > pulse {
                try await sink.send(Array(":\n\n".utf8))
                sent = .now
            }
            try await ContinuousClock().sleep(for: interval)
        }
    }
}
