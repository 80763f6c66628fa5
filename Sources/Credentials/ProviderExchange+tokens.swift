// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import OAuth

extension ProviderExchange {
    /// A request for tokens, whose address is the service's own affair.
    init(
        _ outcome: Result<HTTPResponse, HTTPError>, _ answer: Result<TokenGrant, TokenFailure>,
        of integrationID: Int64?, service: String, duration: Duration
    ) {
        var errorClass: ErrorClass?
        if case .failure(let failure) = answer {
            errorClass =
                switch failure.kind {
                case .reconnect: .authRevoked
                case .config: .config
                case .rateLimited: .rateLimited
                case .transient: .transient
                }
        }
        self.init(
            outcome, of: integrationID, service: service, method: "POST", endpoint: "token endpoint",
            duration: duration, error: errorClass)
    }
}
