// SPDX-License-Identifier: Apache-2.0

/// What a test payment method does (https://docs.stripe.com/testing).
struct TestCard {
    /// Why a payment fails; nil when it succeeds.
    let decline: StripeAPI.Refusal?
    /// It cannot even be attached, whatever the payment behaviour.
    var failsWhenAttached = true
    var needsAction = false

    init(_ name: String) throws(StripeAPI.Refusal) {
        switch name {
        case "pm_card_visa", "pm_card_mastercard": decline = nil
        case "pm_card_chargeDeclined":
            decline = Self.declined("card_declined", "generic_decline", "Your card was declined.")
        case "pm_card_chargeDeclinedInsufficientFunds":
            decline = Self.declined(
                "card_declined", "insufficient_funds", "Your card has insufficient funds.")
        case "pm_card_chargeDeclinedLostCard":
            decline = Self.declined("card_declined", "lost_card", "Your card was declined.")
        case "pm_card_chargeDeclinedExpiredCard":
            decline = Self.declined("expired_card", nil, "Your card has expired.")
        case "pm_card_chargeDeclinedIncorrectCvc":
            decline = Self.declined("incorrect_cvc", nil, "Your card's security code is incorrect.")
        case "pm_card_chargeCustomerFail":
            decline = Self.declined("card_declined", "generic_decline", "Your card was declined.")
            failsWhenAttached = false
        case "pm_card_authenticationRequired":
            decline = Self.declined(
                "authentication_required", "authentication_required",
                "Your card was declined. This transaction requires authentication.")
            failsWhenAttached = false
            needsAction = true
        default:
            throw StripeAPI.Refusal(
                400, "resource_missing", "No such PaymentMethod: '\(name)'", "default_payment_method")
        }
    }

    private static func declined(_ code: String, _ decline: String?, _ message: String) -> StripeAPI.Refusal {
        StripeAPI.Refusal(
            response: StripeAPI.failure(402, code, message, decline: decline))
    }
}

extension StripeAPI.Refusal {
    init(response: SandboxResponse) {
        self.response = response
    }
}

/// The `expand[]` of a new subscription: its invoice, and what the client needs to pay it.
struct StripeExpansion {
    private let paths: [String]
    private let hasConfirmationSecret: Bool

    init(_ request: SandboxRequest) {
        paths = request.pairs.filter { $0.name.hasPrefix("expand[") }.map(\.value)
        hasConfirmationSecret = StripeAPI.version(of: request) >= StripeAPI.basil
    }

    func response(
        _ subscription: String, invoice: String, invoiceID: String, intent: String
    ) throws(StripeAPI.Refusal) -> SandboxResponse {
        let known =
            hasConfirmationSecret
            ? ["latest_invoice", "latest_invoice.confirmation_secret"]
            : ["latest_invoice", "latest_invoice.payment_intent"]
        if let path = paths.first(where: { !known.contains($0) }) {
            throw StripeAPI.Refusal(
                400, nil, "This property cannot be expanded (\(path)).", "expand")
        }
        guard !paths.isEmpty else { return SandboxResponse(json: subscription) }
        var expanded = invoice.dropLast()
        if paths.contains("latest_invoice.payment_intent") { expanded += #","payment_intent":\#(intent)"# }
        if paths.contains("latest_invoice.confirmation_secret") {
            let secret = FlatJSON.member("client_secret", of: intent) ?? ""
            expanded += """
                ,"confirmation_secret":{"client_secret":\(JSONText.quoted(secret)),"type":"payment_intent"}
                """
        }
        return SandboxResponse(
            json: subscription.replacing(
                #""latest_invoice":"\#(invoiceID)""#, with: #""latest_invoice":\#(expanded)}"#))
    }
}
