// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Credentials
import HTTPTransport
import Logging
import Model
import RateLimits
import SyncEngine
import SyncStore
import Vault

/// Gives a job what it needs to talk to its provider: the connector, the unsealed credential, and a client under the limits
/// of the cluster.
struct AccessMaker: Sendable {
    let keeper: CredentialKeeper
    let http: HTTPClient
    let limiter: RateLimiter
    let limits: LimitOverrides
    let holds: LimitHolds
    let connector: @Sendable (String) -> (any Connector)?
    let serviceURLs: [String: String]
    /// What large pages of all runs share.
    let memory: PageMemory
    let logger: Logger
    /// Hears of each request to a provider.
    let recorder: (any ExchangeRecorder)?

    func make(
        for key: IntegrationKey, id: Int64, run: Int64, configuration: [String: String],
        credential: StoredCredential?,
        isUrgent: Bool
    ) -> Result<(connector: any Connector, access: ProviderAccess), RunFailure> {
        guard let connector = connector(key.service) else {
            return .failure(
                RunFailure(
                    .config, code: "no_connector",
                    userMessage: "\(key.service) cannot be used at the moment.",
                    operatorDetail:
                        "this worker has no connector for '\(key.service)'; see LOCKSTEP_CONNECTORS"))
        }
        let baseURL = serviceURLs[key.service]
        let source: any SecretSource
        do throws(VaultError) {
            source = try keeper.source(
                for: key, id: id, title: connector.title, profile: connector.tokens(at: baseURL),
                configuration: configuration, initial: credential)
        } catch {
            return .failure(
                RunFailure(
                    .config, code: "credential_unreadable",
                    userMessage: "\(key.service) cannot be used at the moment.",
                    operatorDetail: error.message))
        }
        let room = PageRoom(memory, integrationID: id)
        let client = LimitedClient(
            limiter: limiter, http: http,
            scope: LimitScope(service: key.service, integrationID: id, isUrgent: isUrgent),
            title: connector.title, overrides: limits, holds: holds, logger: logger,
            runID: run, recorder: recorder, room: room)
        var access = ProviderAccess(
            client: client, credential: source, configuration: configuration, baseURL: baseURL)
        access.room = room
        return .success((connector, access))
    }
}
