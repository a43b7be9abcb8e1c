"""Who may call each route: what the review of a new route looks at."""

from collections.abc import Mapping

from service.identity.permissions import MayCall, Permission, Public, SignedIn

_ROUTES: Mapping[MayCall, str] = {
    Public(): """
        GET /
        HEAD /
        GET /.well-known/jwks.json
        GET /account
        HEAD /account
        GET /account/
        HEAD /account/
        GET /account/address
        HEAD /account/address
        POST /account/address/confirm
        GET /account/institution
        HEAD /account/institution
        GET /account/elsewhere
        HEAD /account/elsewhere
        GET /account/erased
        HEAD /account/erased
        GET /account/sign-in
        HEAD /account/sign-in
        POST /account/sign-in
        GET /account/sign-in/code
        HEAD /account/sign-in/code
        POST /account/sign-in/code
        POST /account/sign-in/request
        POST /account/sign-out
        POST /account/sign-out/everywhere
        GET /admin/sign-in
        POST /admin/sign-in
        POST /admin/sign-in/code
        POST /admin/sign-out
        GET /admin/static/admin.css
        GET /articles/{slug}
        HEAD /articles/{slug}
        POST /articles/{slug}
        GET /articles/{slug}/
        HEAD /articles/{slug}/
        GET /docs
        HEAD /docs
        GET /healthz
        GET /metrics
        GET /openapi.json
        HEAD /openapi.json
        GET /problems
        HEAD /problems
        GET /problems/{slug}
        HEAD /problems/{slug}
        GET /readyz
        GET /static/{name}
        HEAD /static/{name}
        POST /subscribe
        GET /v1/articles
        HEAD /v1/articles
        GET /v1/articles/{slug}
        HEAD /v1/articles/{slug}
        GET /v1/articles/{slug}/access
        GET /v1/articles/{slug}/full
        POST /v1/articles/{slug}/unlock
        POST /v1/checkout
        GET /v1/checkout/return
        POST /v1/checkout/{session_id}/complete
        POST /v1/me/address/confirm
        GET /v1/offers
        HEAD /v1/offers
        POST /v1/session/token
        POST /v1/sign-in
        POST /v1/sign-in/confirm
        POST /v1/webhooks/stripe
    """,
    SignedIn(): """
        GET /account/erase
        HEAD /account/erase
        POST /account/address
        POST /account/elsewhere
        POST /account/institution
        POST /account/erase
        POST /account/portal
        POST /account/take-over
        DELETE /v1/me
        GET /v1/me
        POST /v1/me/purchases/{purchase_id}
        POST /v1/me/address
        POST /v1/me/entitlements
        POST /v1/me/institution
        GET /v1/me/export
        POST /v1/portal
        DELETE /v1/session
        DELETE /v1/sessions
        GET /v1/sessions
        DELETE /v1/sessions/{session_id}
    """,
    Permission.ARTICLES_READ: """
        GET /admin/rules
        GET /admin/rules/versions/{version}
        GET /v1/admin/rules
        GET /v1/admin/rules/versions
        GET /v1/admin/rules/versions/{version}
        GET /admin/articles
        GET /admin/articles/{slug}
        GET /articles/{slug}/preview
        GET /v1/admin/articles
        GET /v1/admin/articles/{slug}
        GET /v1/admin/articles/{slug}/revisions
    """,
    Permission.ARTICLES_WRITE: """
        POST /admin/rules
        PUT /v1/admin/rules
        POST /admin/articles/{slug}
        DELETE /v1/admin/articles/{slug}
        PATCH /v1/admin/articles/{slug}
        PUT /v1/admin/articles/{slug}
    """,
    Permission.AUDIT_READ: """
        GET /admin/audit
        GET /v1/admin/audit
    """,
    Permission.KEYS_READ: """
        GET /admin/api-keys
        GET /v1/admin/api-keys
    """,
    Permission.KEYS_WRITE: """
        POST /admin/api-keys
        POST /admin/api-keys/{prefix}/revoke
        POST /v1/admin/api-keys
        DELETE /v1/admin/api-keys/{prefix}
    """,
    Permission.OFFERS_READ: """
        GET /admin/offers
        GET /admin/offers/new
        GET /admin/offers/{offer_id}
        GET /v1/admin/coupons
        GET /v1/admin/offers
        GET /v1/admin/offers/{offer_id}
    """,
    Permission.OFFERS_WRITE: """
        POST /admin/offers/new
        POST /admin/offers/{offer_id}
        POST /v1/admin/offers
        PATCH /v1/admin/offers/{offer_id}
    """,
    Permission.OPERATORS_READ: """
        GET /admin/operators
        GET /v1/admin/operators
    """,
    Permission.OPERATORS_WRITE: """
        POST /admin/operators
        POST /admin/operators/{operator_id}
        POST /v1/admin/operators
        PATCH /v1/admin/operators/{operator_id}
    """,
    Permission.REPORTS_READ: """
        GET /admin
        GET /admin/reports
        GET /admin/reports/{slug}
        GET /admin/{unknown:path}
        GET /v1/admin/article-figures
        GET /v1/admin/reports
        GET /v1/admin/money/payouts
        GET /v1/admin/money/payouts/{payout_id}
        GET /v1/admin/money/export/payouts
        GET /v1/admin/reports/{slug}
        GET /v1/admin/reports/summary
        GET /admin/exchange-rates
        GET /v1/admin/exchange-rates
        GET /admin/stripe-figures
        GET /admin/stripe-figures/{entry_id}
        GET /v1/admin/stripe-figures
        GET /v1/admin/stripe-figures/{entry_id}
    """,
    Permission.STAFF: """
        GET /admin/account
        POST /admin/account/password
        POST /admin/account/recovery-codes
        GET /admin/account/totp
        POST /admin/account/totp/confirm
        POST /admin/account/totp/off
        POST /admin/account/totp/start
        POST /admin/account/weekly
    """,
    Permission.SUBSCRIBERS_READ: """
        GET /admin/entitlements
        GET /admin/institutions
        GET /v1/admin/institutions
        GET /v1/admin/institutions/{slug}
        GET /v1/admin/institutions/{slug}/reads
        GET /v1/admin/entitlements
        GET /v1/admin/entitlements.csv
        GET /v1/admin/subscription-linking
        GET /v1/admin/entitlements/{source}/{reference}
        GET /v1/admin/explain
        GET /admin/subscribers/{reader_id}
        GET /admin/subscribers/{reader_id}/explain
        POST /admin/readers/views
        POST /admin/readers/views/{view_id}/delete
        GET /v1/admin/subscribers/{reader_id}/notes
        GET /v1/admin/subscribers/{reader_id}/sessions
        GET /admin/unbound
        GET /admin/money
        GET /admin/money/payouts/{payout_id}
        GET /admin/money/export/{name}
        GET /v1/admin/money/owing
        GET /v1/admin/money/refunds
        GET /v1/admin/money/disputes
        GET /v1/admin/money/export/{name}
        GET /admin/readers
        GET /admin/readers/export
        GET /admin/cancellations
        GET /v1/admin/cancellations
        GET /admin/movements
        GET /v1/admin/movements
        GET /v1/admin/readers/export
        GET /v1/admin/readers
        GET /v1/admin/subscribers
        GET /v1/admin/subscribers/{reader_id}
        GET /v1/admin/unbound
    """,
    Permission.SUBSCRIBERS_WRITE: """
        POST /admin/entitlements/end
        POST /admin/institutions
        POST /admin/institutions/end
        POST /admin/institutions/import
        POST /v1/admin/institutions/import
        DELETE /v1/admin/institutions/{slug}
        PUT /v1/admin/institutions/{slug}
        DELETE /v1/admin/entitlements/{source}/{reference}
        PUT /v1/admin/entitlements/{source}/{reference}
        POST /admin/subscribers/{reader_id}/address
        POST /admin/subscribers/{reader_id}/comps
        POST /admin/subscribers/{reader_id}/comps/{grant_id}/revoke
        POST /admin/subscribers/{reader_id}/notes
        POST /admin/subscribers/{reader_id}/notes/{note_id}/delete
        POST /admin/subscribers/{reader_id}/sessions/{session_id}/end
        POST /v1/admin/subscribers/{reader_id}/notes
        DELETE /v1/admin/subscribers/{reader_id}/notes/{note_id}
        DELETE /v1/admin/subscribers/{reader_id}/sessions/{session_id}
        POST /admin/subscribers/{reader_id}/refund
        POST /admin/subscribers/{reader_id}/resync
        POST /admin/unbound
        POST /v1/admin/grants
        DELETE /v1/admin/grants/{grant_id}
        POST /v1/admin/subscribers/{reader_id}/address
        POST /v1/admin/subscribers/{reader_id}/refund
        POST /v1/admin/subscribers/{reader_id}/resync
        POST /v1/admin/unbound/bind
    """,
    Permission.SYSTEM_READ: """
        GET /admin/inbox
        GET /admin/jobs
        GET /admin/reconciliations
        GET /admin/webhooks
        GET /admin/webhooks/{endpoint_id}
        GET /v1/admin/inbox
        GET /v1/admin/jobs
        GET /admin/settings
        GET /v1/admin/reconciliations
        GET /v1/admin/settings
        GET /v1/admin/webhook-endpoints
        GET /v1/admin/webhook-endpoints/{endpoint_id}/deliveries
    """,
    Permission.REPORTS_WRITE: """
        POST /admin/exchange-rates
        POST /admin/exchange-rates/delete
        DELETE /v1/admin/exchange-rates/{currency}/{into}/{day}
        POST /v1/admin/exchange-rates
        POST /admin/stripe-figures
        POST /admin/stripe-figures/{entry_id}/delete
        DELETE /v1/admin/stripe-figures/{entry_id}
        POST /v1/admin/stripe-figures
    """,
    Permission.SYSTEM_WRITE: """
        POST /admin/inbox/replay
        POST /admin/inbox/{event_id}/replay
        POST /admin/jobs/{job_id}/replay
        POST /admin/reconciliations
        POST /admin/webhooks
        POST /admin/webhooks/{endpoint_id}
        POST /admin/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay
        POST /v1/admin/inbox/replay
        POST /v1/admin/inbox/{event_id}/replay
        POST /v1/admin/jobs/{job_id}/replay
        POST /v1/admin/reconcile
        POST /v1/admin/webhook-endpoints
        DELETE /v1/admin/webhook-endpoints/{endpoint_id}
        PATCH /v1/admin/webhook-endpoints/{endpoint_id}
        POST /v1/admin/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/replay
        POST /v1/admin/webhook-endpoints/{endpoint_id}/secret
        POST /v1/admin/webhook-endpoints/{endpoint_id}/test
    """,
}
DECLARED: Mapping[str, MayCall] = {
    route.strip(): may_call
    for may_call, routes in _ROUTES.items()
    for route in routes.strip().splitlines()
}
