"""What the pump fee program writes: IDL `pump_fees` 0.1.0 (pump-sdk 2.0.0), all versions since August 2025.

Long because the IDL is: one table, made from the IDL once and compared with it by tests/decoders/test_layouts.py.
"""

from typing import Final

from app.domain.programs import PUMP_FEES
from indexer.layouts.idl import Idl

_TYPES: Final = {
    "ConfigStatus": "enum Paused Active",
    "FeeTier": "market_cap_lamports_threshold u128, fees Fees",
    "Fees": "lp_fee_bps u64, protocol_fee_bps u64, creator_fee_bps u64",
    "OptionBool": "0 bool",
    "Shareholder": "address pubkey, share_bps u16",
}
_EVENTS: Final = {
    "CreateFeeSharingConfigEvent": """
        timestamp i64, mint pubkey, bonding_curve pubkey, pool option<pubkey>, sharing_config pubkey, admin
        pubkey, initial_shareholders vec<Shareholder>, status ConfigStatus
    """,
    "DonationFeePdaCranked": """
        timestamp i64, signer pubkey, donation_fee_pda pubkey, config_id pubkey, base_mint pubkey, quote_mint
        pubkey, creator pubkey, amount u64
    """,
    "DonationFeePdaCreated": """
        timestamp i64, created_by pubkey, donation_fee_pda pubkey, config_id pubkey, base_mint pubkey, quote_mint
        pubkey, creator pubkey
    """,
    "ExtendFeeConfigEvent": "fee_config pubkey, user pubkey, current_size u64, new_size u64, timestamp i64",
    "InitializeFeeConfigEvent": "timestamp i64, admin pubkey, fee_config pubkey",
    "InitializeFeeProgramGlobalEvent": """
        timestamp i64, authority pubkey, social_claim_authority pubkey, disable_flags u8, claim_rate_limit u64
    """,
    "ResetFeeSharingConfigEvent": """
        timestamp i64, mint pubkey, sharing_config pubkey, old_admin pubkey, old_shareholders vec<Shareholder>,
        new_admin pubkey, new_shareholders vec<Shareholder>, old_version u8, new_version u8
    """,
    "SetAuthorityEvent": "timestamp i64, old_authority pubkey, new_authority pubkey",
    "SetClaimRateLimitEvent": "timestamp i64, claim_rate_limit u64",
    "SetDisableFlagsEvent": "timestamp i64, disable_flags u8",
    "SetExoticFlatFeesEvent": "timestamp i64, admin pubkey, fee_config pubkey, exotic_flat_fees Fees",
    "SetSocialClaimAuthorityEvent": "timestamp i64, social_claim_authority pubkey",
    "SocialFeePdaClaimed": """
        timestamp i64, user_id string, platform u8, social_fee_pda pubkey, recipient pubkey,
        social_claim_authority pubkey, amount_claimed u64, claimable_before u64, lifetime_claimed u64,
        recipient_balance_before u64, recipient_balance_after u64, quote_mint pubkey, lifetime_stable_claimed u64
    """,
    "SocialFeePdaCreated": "timestamp i64, user_id string, platform u8, social_fee_pda pubkey, created_by pubkey",
    "SweepBuybackEvent": """
        index u8, sol_amount u64, token_amount u64, destination pubkey, buyback_vault pubkey, mint pubkey
    """,
    "UpdateAdminEvent": "timestamp i64, old_admin pubkey, new_admin pubkey",
    "UpdateFeeConfigEvent": """
        timestamp i64, admin pubkey, fee_config pubkey, fee_tiers vec<FeeTier>, flat_fees Fees
    """,
    "UpdateFeeSharesEvent": """
        timestamp i64, mint pubkey, sharing_config pubkey, admin pubkey, new_shareholders vec<Shareholder>,
        version u8
    """,
    "UpdateStableFeeConfigEvent": """
        timestamp i64, admin pubkey, fee_config pubkey, stable_fee_tiers vec<FeeTier>, flat_fees Fees
    """,
    "UpsertFeeTiersEvent": "timestamp i64, admin pubkey, fee_config pubkey, fee_tiers vec<FeeTier>, offset u8",
    "UpsertStableFeeTiersEvent": """
        timestamp i64, admin pubkey, fee_config pubkey, stable_fee_tiers vec<FeeTier>, offset u8
    """,
    # Last seen in the IDL of 2026-03-05.
    "RevokeFeeSharingAuthorityEvent": "timestamp i64, mint pubkey, sharing_config pubkey, admin pubkey",
    # Last seen in the IDL of 2026-03-05.
    "TransferFeeSharingAuthorityEvent": """
        timestamp i64, mint pubkey, sharing_config pubkey, old_admin pubkey, new_admin pubkey
    """,
}
_INSTRUCTIONS: Final = {
    "admin_cto_sharing_config": (
        "new_admin option<pubkey>",
        "pool_authority authority global mint sharing_config event_authority program",
    ),
    "claim_social_fee_pda": (
        "user_id string, platform u8",
        """
            recipient social_fee_pda fee_program_global social_claim_authority event_authority program
        """,
    ),
    "claim_social_fee_pda_v2": (
        "user_id string, platform u8",
        """
            recipient social_fee_pda quote_mint associated_social_fee_pda associated_recipient quote_token_program
            associated_token_program fee_program_global social_claim_authority system_program event_authority
            program
        """,
    ),
    "crank_donation_fee_pda": (
        "",
        """
            event_authority program payer system_program token_program associated_token_program rent
            fee_program_global donation_fee_pda quote_mint donation_fee_pda_ata donation_relay_program
            donation_relay_event_authority mint_whitelist epoch_tracker debouncer debouncer_ata
        """,
    ),
    "create_donation_fee_pda": (
        "",
        """
            event_authority program payer system_program fee_program_global donation_fee_pda config_id base_mint
            bonding_curve pool sharing_config
        """,
    ),
    "create_fee_sharing_config": (
        "",
        """
            event_authority program payer global mint sharing_config system_program bonding_curve pump_program
            pump_event_authority pool pump_amm_program pump_amm_event_authority
        """,
    ),
    "create_social_fee_pda": (
        "user_id string, platform u8",
        "payer social_fee_pda system_program fee_program_global event_authority program",
    ),
    "extend_fee_config": (
        "",
        "fee_config user config_program_id system_program event_authority program",
    ),
    "get_fees": (
        """
            is_pump_pool bool, market_cap_lamports u128, trade_size_lamports u64, is_new_quote_mint OptionBool
        """,
        "fee_config config_program_id",
    ),
    "get_fees_with_quote_mint": (
        "is_pump_pool bool, market_cap_lamports u128, quote_mint pubkey",
        "fee_config config_program_id",
    ),
    "initialize_buyback": (
        "index u8",
        """
            payer buyback_vault buyback_vault_ata system_program associated_token_program mint token_program
            event_authority program
        """,
    ),
    "initialize_fee_config": (
        "",
        "admin fee_config system_program config_program_id event_authority program",
    ),
    "initialize_fee_program_global": (
        "social_claim_authority pubkey, disable_flags u8, claim_rate_limit u64",
        "authority pump_global fee_program_global system_program event_authority program",
    ),
    "revoke_fee_sharing_authority": (
        "",
        "",
    ),
    "set_authority": (
        "new_authority pubkey",
        "authority fee_program_global event_authority program",
    ),
    "set_claim_rate_limit": (
        "claim_rate_limit u64",
        "authority fee_program_global event_authority program",
    ),
    "set_disable_flags": (
        "disable_flags u8",
        "authority fee_program_global event_authority program",
    ),
    "set_exotic_flat_fees": (
        "exotic_flat_fees Fees",
        "fee_config admin config_program_id system_program event_authority program",
    ),
    "set_social_claim_authority": (
        "social_claim_authority pubkey",
        "authority fee_program_global event_authority program",
    ),
    "sweep_buyback": (
        "index u8",
        """
            destination authority buyback_vault buyback_vault_ata destination_ata system_program
            associated_token_program mint token_program event_authority program
        """,
    ),
    "transfer_fee_sharing_authority": (
        "",
        "",
    ),
    "update_admin": (
        "",
        "admin fee_config new_admin config_program_id event_authority program",
    ),
    "update_buyback_authority": (
        "index u8, new_authority pubkey",
        "authority fee_program_global buyback_vault event_authority program",
    ),
    "update_buyback_claim_rate_limit": (
        "index u8, claim_rate_limit i64",
        "authority fee_program_global buyback_vault event_authority program",
    ),
    "update_fee_config": (
        "fee_tiers vec<FeeTier>, flat_fees Fees",
        "fee_config admin config_program_id event_authority program",
    ),
    "update_fee_shares": (
        "shareholders vec<Shareholder>",
        """
            event_authority program authority global mint sharing_config bonding_curve pump_creator_vault
            system_program pump_program pump_event_authority pump_amm_program amm_event_authority wsol_mint
            token_program associated_token_program coin_creator_vault_authority coin_creator_vault_ata
        """,
    ),
    "update_fee_shares_v2": (
        "shareholders vec<Shareholder>",
        """
            event_authority program authority global mint sharing_config bonding_curve pump_creator_vault
            pump_creator_vault_ata system_program pump_program pump_event_authority pump_amm_program
            amm_event_authority quote_mint token_program associated_token_program coin_creator_vault_authority
            coin_creator_vault_ata
        """,
    ),
    "update_stable_fee_config": (
        "fee_tiers vec<FeeTier>",
        "fee_config admin config_program_id event_authority program",
    ),
    "upsert_fee_tiers": (
        "fee_tiers vec<FeeTier>, offset u8",
        "fee_config admin config_program_id event_authority program",
    ),
    "upsert_stable_fee_tiers": (
        "fee_tiers vec<FeeTier>, offset u8",
        "fee_config admin config_program_id event_authority program",
    ),
    # Last seen in the IDL of 2026-05-19.
    "reset_fee_sharing_config": (
        "",
        """
            new_admin event_authority program authority global mint sharing_config bonding_curve
            pump_creator_vault system_program pump_program pump_event_authority pump_amm_program
            amm_event_authority wsol_mint token_program associated_token_program coin_creator_vault_authority
            coin_creator_vault_ata
        """,
    ),
    # Last seen in the IDL of 2026-05-19.
    "reset_fee_sharing_config_v2": (
        "",
        """
            new_admin event_authority program authority global mint sharing_config bonding_curve
            pump_creator_vault pump_creator_vault_ata system_program pump_program pump_event_authority
            pump_amm_program amm_event_authority quote_mint token_program associated_token_program
            coin_creator_vault_authority coin_creator_vault_ata
        """,
    ),
}
_ACCOUNTS: Final = {
    "BondingCurve": """
        virtual_token_reserves u64, virtual_quote_reserves u64, real_token_reserves u64, real_quote_reserves u64,
        token_total_supply u64, complete bool, creator pubkey, is_mayhem_mode bool
    """,
    "BuybackVault": """
        authority pubkey, total_claimed u64, total_claimed_token1 u64, total_claimed_token2 u64, last_claimed i64,
        claim_rate_limit i64, _reserved [u8;128]
    """,
    "DonationFeePda": """
        bump u8, version u8, config_id pubkey, base_mint pubkey, quote_mint pubkey, creator pubkey, total_donated
        u64, last_crank_ts i64, _reserved [u8;64]
    """,
    "FeeConfig": """
        bump u8, admin pubkey, flat_fees Fees, fee_tiers vec<FeeTier>, stable_fee_tiers vec<FeeTier>,
        exotic_flat_fees Fees
    """,
    "FeeProgramGlobal": """
        bump u8, authority pubkey, disable_flags u8, social_claim_authority pubkey, claim_rate_limit u64,
        _reserved [u8;256]
    """,
    "Global": """
        initialized bool, authority pubkey, fee_recipient pubkey, initial_virtual_token_reserves u64,
        initial_virtual_sol_reserves u64, initial_real_token_reserves u64, token_total_supply u64,
        fee_basis_points u64, withdraw_authority pubkey, enable_migrate bool, pool_migration_fee u64,
        creator_fee_basis_points u64, fee_recipients [pubkey;7], set_creator_authority pubkey,
        admin_set_creator_authority pubkey, create_v2_enabled bool, whitelist_pda pubkey, reserved_fee_recipient
        pubkey, mayhem_mode_enabled bool, reserved_fee_recipients [pubkey;7]
    """,
    "Pool": """
        pool_bump u8, index u16, creator pubkey, base_mint pubkey, quote_mint pubkey, lp_mint pubkey,
        pool_base_token_account pubkey, pool_quote_token_account pubkey, lp_supply u64, coin_creator pubkey,
        is_mayhem_mode bool, is_cashback_coin bool, virtual_quote_reserves i128
    """,
    "SharingConfig": """
        bump u8, version u8, status ConfigStatus, mint pubkey, admin pubkey, admin_revoked bool, shareholders
        vec<Shareholder>
    """,
    "SocialFeePda": """
        bump u8, version u8, user_id string, platform u8, total_claimed u64, last_claimed u64,
        total_stable_claimed u64, _reserved [u8;120]
    """,
}
PUMP_FEES_IDL: Final = Idl(PUMP_FEES, _TYPES, _EVENTS, _INSTRUCTIONS, _ACCOUNTS)
