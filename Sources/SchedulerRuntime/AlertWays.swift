// SPDX-License-Identifier: Apache-2.0

public import Actions
import Alerts
import ConnectorKit
import Cryptography
public import HTTPTransport
public import Model
import PageScanner
public import Webhooks

/// The ways on which a scheduler tells of alerts.
public enum AlertWays {
    /// Signed requests to an address.
    public static func webhook(to url: SecretString, signer: WebhookSigner, http: HTTPClient)
        -> AlertCourier.Send
    {
        { notice, now in
            do throws(CryptoError) {
                let request = try signer.request(to: url.exposed, id: notice.id, at: now, body: notice.body)
                return await http.deliver(request)
            } catch {
                return .failed(reason: error.message, notBefore: nil)
            }
        }
    }

    /// Messages of Lockstep's own connector. A notice is an action with a key of its own, so that it is posted once, however
    /// often it is requested; from there on it is done as every action is.
    public static func slack(
        _ desk: ActionDesk, through integration: IntegrationReference, channel: String
    ) -> AlertCourier.Send {
        { notice, _ in
            let input = JSONTree.object([
                JSONTree.Member(name: "channel", value: .scalar(.string(channel))),
                JSONTree.Member(name: "text", value: .scalar(.string(notice.message))),
            ])
            do throws(ActionRefusal) {
                _ = try await desk.request(
                    "post_message", input: input.bytes, for: integration,
                    idempotencyKey: "lockstep:\(notice.id)")
                return .delivered
            } catch {
                // Nobody else makes keys like this: it was requested before, perhaps for another channel.
                if case .keyInUse = error.code { return .delivered }
                return .failed(reason: error.message, notBefore: nil)
            }
        }
    }
}
