// SPDX-License-Identifier: Apache-2.0

import Cryptography
import HTTPTransport
import Logging
import Model

/// Sends the notifications of a sandbox until its task is cancelled.
struct WebhookSender: Sendable {
    /// How long it looks away when there was nothing to send.
    private static let pause = Duration.milliseconds(20)
    /// Slack gives up after three seconds; the others wait a little longer.
    private static let timeout = Duration.seconds(5)

    let state: LockedBox<SandboxState>
    let logger: Logger

    func run() async {
        var clients: [String: HTTPClient] = [:]
        while !Task.isCancelled {
            let due = state.withLock { $0.takeDeliveries(at: .now()) }
            guard due.isEmpty else {
                await send(due, &clients)
                continue
            }
            do {
                try await ContinuousClock().sleep(for: Self.pause)
            } catch {
                return
            }
        }
    }

    /// One after the other, so that the order is that of the queue.
    private func send(_ deliveries: [WebhookDelivery], _ clients: inout [String: HTTPClient]) async {
        for delivery in deliveries where !Task.isCancelled {
            let client = clients[delivery.url] ?? client(for: delivery.url)
            clients[delivery.url] = client
            let sent = RequestTime.now()
            let status = await attempt(delivery, client, at: sent)
            state.withLock { $0.finish(delivery, status: status, sentAt: sent, at: .now()) }
        }
    }

    /// The status of the answer; 0 when there was none.
    private func attempt(_ delivery: WebhookDelivery, _ client: HTTPClient, at now: RequestTime) async -> Int
    {
        do {
            var request = HTTPRequest(
                method: "POST", url: delivery.url, headers: try delivery.signedHeaders(at: now),
                body: Array(delivery.body.utf8))
            request.timeout = Self.timeout
            return try await client.send(request).status
        } catch {
            logger.debug("notification failed", metadata: ["url": "\(delivery.url)", "error": "\(error)"])
            return 0
        }
    }

    /// A client for an address that the control was told: it may be one of this machine.
    private func client(for url: String) -> HTTPClient {
        var configuration = HTTPClientConfiguration()
        let rest = url.drop { $0 != "/" }.drop { $0 == "/" }
        configuration.addressPolicy = .allowing(hosts: [String(rest.prefix { $0 != "/" && $0 != "?" })])
        configuration.userAgent = "sandbox"
        return HTTPClient(configuration: configuration, logger: logger)
    }
}
