// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model

/// Sends a stream's requests, each made with the secrets of the moment: one that is refused for them is made and sent
/// once more with renewed ones.
struct RequestSender: Sendable {
    let requests: RequestTemplate
    let access: ProviderAccess

    /// The response that the judge counts as a success, and what it cost, a refused request included.
    func send(
        endpoint: String, limits: [LimitUse], judge: ResponseJudge, isRetry: Bool = false,
        isPage: Bool = false, _ build: (RequestTemplate) throws(ConnectorError) -> HTTPRequest
    ) async throws(ConnectorError) -> (HTTPResponse, RequestCost) {
        var tries = 0
        let answer = try await access.withSecrets { secrets throws(ConnectorError) in
            tries += 1
            var judge = judge
            judge.secrets = secrets.values
            var request = ProviderRequest(
                try build(requests.with(secrets.values)), endpoint: endpoint, limits: limits,
                reading: judge, isRetry: isRetry)
            request.isPage = isPage
            return try await access.client.send(request)
        }
        return (
            answer.http,
            RequestCost(
                apiCalls: tries - 1 + answer.requests, bytes: answer.http.body.count,
                throttled: answer.throttled)
        )
    }
}
