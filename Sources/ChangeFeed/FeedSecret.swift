// SPDX-License-Identifier: Apache-2.0

public import Model
import SyncStore
public import Vault
import Webhooks

/// The signing secret of a subscription as it is stored: sealed as credentials are, for this subscription alone.
public enum FeedSecret {
    private static let name = "secret"

    /// Seals a secret for a subscription.
    public static func seal(
        _ secret: SecretString, for subscription: Int64, _ vault: CredentialVault
    ) throws(VaultError) -> SealedCredential {
        try vault.seal(
            [name: secret], for: subscription, kind: SubscriptionStore.secretKind,
            version: SubscriptionStore.secretVersion)
    }

    /// Opens it; nil when what was sealed is no secret of this kind.
    static func signer(
        of subscription: ClaimedSubscription, _ vault: CredentialVault
    ) throws(VaultError) -> WebhookSigner? {
        try vault.open(
            subscription.ciphertext, for: subscription.id, kind: SubscriptionStore.secretKind,
            version: SubscriptionStore.secretVersion)[name].flatMap(WebhookSigner.init)
    }
}
