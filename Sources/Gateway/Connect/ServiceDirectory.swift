// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Model
public import OAuth

/// The services of this gateway, and how their accounts are connected.
public struct ServiceDirectory: Sendable {
    /// How an account is connected.
    enum Way {
        /// By the user's consent at the provider.
        case consent(OAuthProfile, OAuthClient)
        /// With values that the user enters.
        case form([AccountField])
        /// Not by the user: an operator does it, or has to name the provider's application first.
        case none
    }

    /// The services, in order.
    public let services: [String]
    let connector: @Sendable (String) -> (any Connector)?
    private let serviceURLs: [String: String]
    private let client: @Sendable (String) -> OAuthClient?

    /// `client` is the application that the operator registered with a service; `serviceURLs` where its requests go instead.
    public init(
        services: [String], connector: @escaping @Sendable (String) -> (any Connector)?,
        serviceURLs: [String: String], client: @escaping @Sendable (String) -> OAuthClient?
    ) {
        self.services = services
        self.connector = connector
        self.serviceURLs = serviceURLs
        self.client = client
    }

    func way(to connector: any Connector) -> Way {
        guard let profile = profile(of: connector) else {
            let fields = connector.accountFields
            return fields.isEmpty ? .none : .form(fields)
        }
        guard case .authorizationCode = profile.grant, let client = client(connector.service) else {
            return .none
        }
        return .consent(profile, client)
    }

    /// How the service gives tokens; nil when nothing renews its credentials.
    func profile(of connector: any Connector) -> OAuthProfile? {
        connector.tokens(at: serviceURLs[connector.service])
    }

    /// Where the requests of a service go instead of its own address; nil for there.
    func baseURL(of service: String) -> String? { serviceURLs[service] }

    /// The application at a service.
    func application(_ service: String) -> OAuthClient? { client(service) }
}
