// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Cryptography
import JobQueue
import Model
import SyncStore
import Webhooks

extension WebhookIntake {
    /// Takes in a request to an address that exists. Throws `WebhookProblem`, or `StoreError` when the ledger fails.
    func accept(
        _ delivery: WebhookDelivery, _ connector: any Connector, _ profile: WebhookProfile
    ) async throws -> WebhookAnswer {
        let request = WebhookRequest(
            method: delivery.method, url: delivery.url, headers: delivery.headers, body: delivery.body)
        switch profile.scheme {
        case .googleChannel:
            let event = try await channelEvent(delivery, request)
            return WebhookAnswer(outcome: try await writer.write([event]))
        case .googlePubSub(let url):
            let target = try await bearerTarget(
                delivery, request, profile, keysURL: keysURL(url, of: delivery.service))
            return try await keep(delivery, connector, profile, target)
        default:
            let target = try await signedTarget(delivery, request, profile)
            if profile.scheme == .slack, let challenge = SlackChallenge(delivery.body) {
                return WebhookAnswer(
                    contentType: "text/plain", body: Array(challenge.text.utf8), outcome: .challenge)
            }
            return try await keep(delivery, connector, profile, target)
        }
    }

    // MARK: - Proof

    /// The integration that the address names, nil for none, once a secret of it proves the request.
    private func signedTarget(
        _ delivery: WebhookDelivery, _ request: WebhookRequest, _ profile: WebhookProfile
    ) async throws -> SigningSecrets.Target? {
        var target: SigningSecrets.Target?
        var found = configuration.secrets(delivery.service)
        if let name = delivery.integration {
            target = try await secrets.target(name, of: delivery.service, secretName: profile.secret)
            // What is not there is checked like all else, with a secret that nobody has.
            found = try target?.secrets ?? [SecretString(Hex.encode(SecureRandom.bytes(32)))]
        }
        try refusing { () throws(WebhookRefusal) in
            try profile.scheme.verify(request, secrets: found, now: now())
        }
        guard delivery.integration == nil || target != nil else {
            throw WebhookProblem.unauthorized("there is no such integration")
        }
        return target
    }

    private func bearerTarget(
        _ delivery: WebhookDelivery, _ request: WebhookRequest, _ profile: WebhookProfile, keysURL: String
    ) async throws -> SigningSecrets.Target? {
        var target: SigningSecrets.Target?
        var accounts = configuration.secrets(delivery.service)
        if let name = delivery.integration {
            target = try await secrets.target(name, of: delivery.service, secretName: profile.secret)
            accounts = target?.secrets ?? []
        }
        // Without an address of our own anybody could choose the audience, by the header Host.
        guard configuration.publicURL != nil else {
            throw WebhookProblem.unauthorized("LOCKSTEP_PUBLIC_URL is not set: no token is for this address")
        }
        let token = try refusing { () throws(WebhookRefusal) in try IdentityToken(request) }
        guard let found = await keys.keys(at: keysURL, having: token.keyID) else {
            throw WebhookProblem.unavailable("the keys at \(keysURL) cannot be read")
        }
        let audience = String(delivery.url.prefix { $0 != "?" })
        try refusing { () throws(WebhookRefusal) in
            try token.verify(
                with: found,
                expecting: IdentityToken.Expectation(audience: audience, emails: accounts.map(\.exposed)),
                now: now())
        }
        return target
    }

    private func channelEvent(
        _ delivery: WebhookDelivery, _ request: WebhookRequest
    ) async throws -> IncomingWebhook {
        let notice = try refusing { () throws(WebhookRefusal) in try ChannelNotice(request) }
        let channel = try await store.channel(notice.channelID, of: delivery.service)
        guard notice.isProved(byHash: channel?.tokenHash ?? [UInt8](repeating: 0, count: 32)), let channel,
            channel.resourceID.map({ $0 == notice.resourceID }) ?? true,
            delivery.integration.map({ $0 == String(channel.integrationID) }) ?? true
        else { throw WebhookProblem.unauthorized("wrong_signature: no channel has this id and token") }
        return IncomingWebhook(
            service: delivery.service, integrationID: channel.integrationID, account: channel.account,
            eventID: notice.eventID, eventType: notice.state, raw: [], slice: channel.slice)
    }

    private func refusing<Result>(_ body: () throws(WebhookRefusal) -> Result) throws(WebhookProblem)
        -> Result
    {
        do throws(WebhookRefusal) {
            return try body()
        } catch {
            throw .unauthorized(error.description)
        }
    }

    // MARK: - Content

    private func keep(
        _ delivery: WebhookDelivery, _ connector: any Connector, _ profile: WebhookProfile,
        _ target: SigningSecrets.Target?
    ) async throws -> WebhookAnswer {
        if let problem = StrictBody.problem(in: delivery.body) {
            throw WebhookProblem.malformed("The body is not JSON as it has to be: \(problem).")
        }
        guard let each = profile.each else {
            let values = WebhookValues(delivery, profile, asking: connector.changes)
            let event = event(values, delivery, delivery.body, target)
            return WebhookAnswer(outcome: try await writer.write([event]))
        }
        let events = try EventList.events(of: delivery.body, at: each).map { content in
            let values = WebhookValues(delivery, profile, event: content, asking: connector.changes)
            return event(values, delivery, content, target)
        }
        return WebhookAnswer(outcome: events.isEmpty ? .ignored : try await writer.write(events))
    }

    private func event(
        _ values: WebhookValues, _ delivery: WebhookDelivery, _ content: [UInt8],
        _ target: SigningSecrets.Target?
    ) -> IncomingWebhook {
        IncomingWebhook(
            service: delivery.service, integrationID: target?.id,
            account: target?.account ?? values.account ?? "", eventID: values.eventID,
            eventType: values.eventType ?? "", raw: content,
            isAccountProved: target != nil || values.isAccountProved)
    }
}
