// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
public import WebhookIntake

extension Route {
    /// The addresses that providers send notifications to: of a service, and of one integration of it.
    ///
    /// `publicURL` is how providers reach this listener, without a slash at the end: some sign the address.
    public static func webhooks(
        _ intake: WebhookIntake, metrics: GatewayMetrics = GatewayMetrics(),
        publicURL: @escaping @Sendable () -> String
    ) -> [Route] {
        ["/webhooks/{service}", "/webhooks/{service}/{integration}"].map { path in
            Route("POST", path) { request in
                let delivery = WebhookDelivery(
                    service: request.parameters["service"] ?? "",
                    integration: request.parameters["integration"],
                    method: request.method,
                    url: publicURL() + request.path + (request.rawQuery.map { "?\($0)" } ?? ""),
                    headers: request.headers,
                    body: request.body)
                do throws(WebhookProblem) {
                    let answer = try await intake.receive(delivery)
                    metrics.delivered(delivery.service, outcome: answer.outcome.rawValue)
                    return GatewayResponse(
                        status: answer.status,
                        headers: answer.contentType.map { [("Content-Type", $0)] } ?? [],
                        body: answer.body)
                } catch {
                    if error.status == 503 {
                        metrics.delivered(delivery.service, outcome: "unavailable")
                    } else {
                        metrics.delivered(delivery.service, outcome: "refused", reason: error.code)
                    }
                    throw Problem(error)
                }
            }
        }
    }
}

extension Problem {
    init(_ problem: WebhookProblem) {
        let wait = problem.retryAfter.map { [("Retry-After", "\(max(1, $0.components.seconds))")] }
        self.init(problem.status, problem.code, problem.message, headers: wait ?? [])
    }
}
