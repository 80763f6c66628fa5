// SPDX-License-Identifier: Apache-2.0

/// `/_control/webhooks`: where notifications go.
extension SandboxState {
    mutating func addWebhook(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(
            request, allowed: ["service", "url", "secret", "user", "duplicates", "reversed"])
        guard let service = try parameters.service(), [.slack, .stripe, .gmail].contains(service) else {
            throw ControlParameters.oneOf("service", ["slack", "stripe", "gmail"])
        }
        guard let url = parameters.text("url"), url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw ControlRefusal("'url' is an http or https address")
        }
        // What was changed before is nobody's business.
        if webhooks.isIdle { webhooks.seen = store.sequence }
        webhooks.add(
            WebhookTarget(
                service: service, url: url, secret: parameters.text("secret") ?? "",
                user: try parameters.user(configuration),
                isDoubled: try parameters.flag("duplicates") ?? false,
                reversed: try parameters.integer("reversed", in: 1...1_000) ?? 1))
        return SandboxResponse(json: #"{"webhooks":\#(webhooks.targets.count)}"#)
    }
}
