// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient

/// Who sends a request: an integration of a service, and how much a person waits for it.
public struct LimitScope: Sendable {
    /// The service whose limits count.
    public let service: String
    /// The integration whose limits count.
    public let integrationID: Int64
    /// Whether a person waits: such requests go before those of syncs.
    public let isUrgent: Bool

    /// A scope of one run.
    public init(service: String, integrationID: Int64, isUrgent: Bool = false) {
        self.service = service
        self.integrationID = integrationID
        self.isUrgent = isUrgent
    }
}

/// The names of the limiter's keys, made in this one place.
struct LimitKeys: Sendable {
    let prefix: String

    func breaker(_ service: String) -> String { "\(prefix):limit:breaker:\(service)" }

    /// Refusals of an integration that name no limit.
    func gate(_ scope: LimitScope) -> String {
        "\(prefix):limit:gate:\(scope.service):\(scope.integrationID)"
    }

    func limit(_ rule: LimitRule, _ scope: LimitScope, endpoint: String) -> String {
        var key = "\(prefix):limit:\(scope.service):\(rule.name)"
        if rule.scope == .integration { key += ":\(scope.integrationID)" }
        if rule.isPerEndpoint { key += ":\(endpoint)" }
        return key
    }

    func retries(_ scope: LimitScope) -> String {
        "\(prefix):limit:retries:\(scope.service):\(scope.integrationID)"
    }
}
